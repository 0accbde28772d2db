// Text as man(7) wants it: what roff would take for a command or a hyphen is escaped. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace p2pd::man {

// Text for people, `words in backquotes` bold.
[[nodiscard]] std::string prose(std::string_view text);
// Something typed or read literally: dashes stay dashes.
[[nodiscard]] std::string literal(std::string_view text);
// literal(), bold.
[[nodiscard]] std::string bold(std::string_view text);
// An argument: words in capitals underlined, the rest literal.
[[nodiscard]] std::string argument(std::string_view text);

}  // namespace p2pd::man
