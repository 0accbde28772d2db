#include <array>
#include <climits>
#include <string_view>

#include <unistd.h>

#include "daemon/descriptor_name.hpp"

namespace p2pd::daemon {

std::string descriptor_name(int fd) {
  std::array<char, PATH_MAX> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  if (size <= 0) return "";
  const std::string_view text(path.data(), static_cast<std::size_t>(size));
  // proc(5) marks a file that has no name any more.
  if (!text.starts_with('/') || text.ends_with(" (deleted)")) return "";
  return std::string(text.substr(text.rfind('/') + 1));
}

}  // namespace p2pd::daemon
