// Which names a received file may have. A name is a peer's word: it must be one component below one folder,
// and must not deceive the reader of a listing. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace p2pd::proto {

// Temporary files of transfers begin so in the download folder; no transfer may have such a name.
inline constexpr std::string_view kPartialPrefix = ".p2pd-";

// Empty when `name` may be used, else a phrase that says what is wrong with it: empty, over 255 bytes, not
// UTF-8 (RFC 3629), `.` or `..`, a slash or backslash, control characters (NUL, C0, DEL, C1), characters that
// turn the direction of text (Unicode UAX 9) or break a line, a device of some system (CON, NUL, COM1, with
// any extension), our own prefix.
[[nodiscard]] std::string file_name_fault(std::string_view name);

// The `number`-th other name for one that is taken: "name.ext" becomes "name (1).ext". Stays within 255 bytes
// and within UTF-8. `number` is at least 1.
[[nodiscard]] std::string other_file_name(std::string_view name, unsigned number);

}  // namespace p2pd::proto
