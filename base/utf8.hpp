// UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace p2pd::base {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // in bytes; 0: they are not UTF-8
};

// The one at the front of `text`, which is not empty.
[[nodiscard]] CodePoint first_code_point(std::string_view text);
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace p2pd::base
