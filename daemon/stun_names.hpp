// The STUN servers' names looked up: libnice and the network check ask by address. A coroutine on the
// caller's executor; ends at the latest after 10 s, or when the caller is cancelled.
#pragma once

#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/options.hpp"
#include "proto/candidate.hpp"

namespace p2pd::daemon {

// The configured servers; without any, RFC 8489's port of each relay's host.
[[nodiscard]] std::vector<HostPort> stun_names(const Options& options);

struct StunAddresses {
  std::vector<proto::Endpoint> servers;  // in the order of the names
  bool missing = false;                  // some name did not resolve; a warning says which
};
[[nodiscard]] boost::asio::awaitable<StunAddresses> look_up_stun(std::vector<HostPort> names);

}  // namespace p2pd::daemon
