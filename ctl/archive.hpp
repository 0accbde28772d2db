// A .tar.gz made in memory, for reports of a few megabytes.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace p2pd::ctl {

struct ArchiveFile {
  std::string path;  // inside the archive
  std::string content;
};

// Files with mode 0600 and the time of now. Error: libarchive's own.
[[nodiscard]] base::Result<std::string> make_archive(const std::vector<ArchiveFile>& files);

}  // namespace p2pd::ctl
