// What a request to a peer can end with. Plain values; any thread.
#pragma once

#include <boost/system/error_code.hpp>

#include "base/result.hpp"

namespace p2pd::peer {

enum class PeerError {
  timed_out = 1,  // the peer did not answer in time
  cancelled,      // disconnected or shut down before the answer
  busy,           // too many requests of this kind wait already
};

[[nodiscard]] const boost::system::error_category& peer_category();
[[nodiscard]] boost::system::error_code make_error_code(PeerError error);

}  // namespace p2pd::peer

template <>
struct boost::system::is_error_code_enum<p2pd::peer::PeerError> : std::true_type {};
