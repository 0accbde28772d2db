// Counts this process's open descriptors, to find those that were left open.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace p2pd::net {

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/dev/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace p2pd::net
