// What can be wrong with bytes that came from outside. Every parser of proto/ returns one of these with a
// phrase about the place; none ever aborts or throws. Plain values; any thread.
#pragma once

#include <string>

#include <boost/system/error_code.hpp>

#include "base/result.hpp"

namespace p2pd::proto {

enum class FrameError {
  truncated = 1,   // shorter than its layout
  trailing_bytes,  // longer than its layout
  too_large,       // over the limit of its kind; nothing was allocated for it
  unknown_type,    // a type this version does not know; the caller may skip it where the protocol says so
  bad_value,       // a field outside its range
  version,         // another protocol version
  forged,          // the MAC is wrong
  replayed,        // a counter that was seen before, or is too old to tell
};

[[nodiscard]] const boost::system::error_category& frame_category();
[[nodiscard]] boost::system::error_code make_error_code(FrameError error);

// `about`: which frame and field.
[[nodiscard]] base::Error frame_error(FrameError error, std::string about);

}  // namespace p2pd::proto

template <>
struct boost::system::is_error_code_enum<p2pd::proto::FrameError> : std::true_type {};
