// A text file of one entry a line, as access lists and token files are: blank lines are skipped, and so is
// what follows a # at a line's beginning or behind a blank. Read whole; plain values; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace p2pd::base {

struct LineEntry {
  std::size_t line = 0;  // from 1
  std::string text;      // without blanks around it
};

// Errors: errno's, is_a_directory, file_too_large (over 16 MiB). The caller says which file it was.
[[nodiscard]] Result<std::vector<LineEntry>> read_line_file(const std::string& file);

}  // namespace p2pd::base
