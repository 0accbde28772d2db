// JSON strings straight into text, for answers that are too large, or too many, to be put together as a tree
// first. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace p2pd::ipc {

// Appends `text` as a JSON string (RFC 8259 section 7), with its quotes. False, and nothing is appended, when
// it is not UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
[[nodiscard]] bool append_string(std::string& out, std::string_view text);
// The same with U+FFFD for bytes that are not UTF-8, as to_line() does it.
void append_any_string(std::string& out, std::string_view text);

}  // namespace p2pd::ipc
