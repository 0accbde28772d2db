#include "base/line_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace p2pd::base {
namespace {

constexpr std::size_t kMaxFile = 16 * 1024 * 1024;
constexpr std::string_view kBlank = " \t\r";

// A # inside a word belongs to it: tokens may hold one.
std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || kBlank.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  }
  return line;
}

std::string_view without_blanks(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace

Result<std::vector<LineEntry>> read_line_file(const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) return errno_error(EISDIR, "");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) return errno_error(errno, "");
  std::vector<LineEntry> out;
  std::string whole;
  for (std::array<char, 16'384> chunk; in.read(chunk.data(), chunk.size()), in.gcount() > 0;) {
    whole.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
    if (whole.size() > kMaxFile) return errno_error(EFBIG, "");
  }
  if (in.bad()) return errno_error(EIO, "");
  std::string_view rest = whole;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = without_blanks(without_comment(rest.substr(0, end)));
    if (!text.empty()) out.push_back({number, std::string(text)});
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

}  // namespace p2pd::base
