// The folder where received files go. Everything in it is reached through its descriptor and by one-component
// names, and no link is followed: a name cannot lead out of it. Moves and nothing else; the file worker's
// threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/result.hpp"

namespace p2pd::daemon {

class DownloadFolder {
 public:
  // Makes it (0700, its parents too) where it is missing. Errors: it is a link, or not a folder, or may not
  // be written.
  [[nodiscard]] static base::Result<DownloadFolder> open(const std::string& path);

  // Whether open() would do, without making anything. Errors as open()'s.
  [[nodiscard]] static base::Result<void> check(const std::string& path);

  // For reading and writing, made (0600) where it is missing. Error: it is a link, or not a file of ours
  // alone.
  [[nodiscard]] base::Result<base::Descriptor> open_partial(const std::string& name) const;
  // Whether anything has this name, a dangling link too.
  [[nodiscard]] bool taken(const std::string& name) const;
  // Whether both names are of the same file.
  [[nodiscard]] bool same(const std::string& one, const std::string& other) const;
  // Error std::errc::file_exists: `to` is taken, and stays as it is.
  [[nodiscard]] base::Result<void> rename_to_new(const std::string& from, const std::string& to) const;
  void remove(const std::string& name) const;
  // Makes names durable.
  [[nodiscard]] base::Result<void> sync() const;
  // Bytes that are free for us; nothing: unknown.
  [[nodiscard]] std::optional<std::uint64_t> free_space() const;
  // Names that begin with proto::kPartialPrefix.
  [[nodiscard]] std::vector<std::string> partials() const;

 private:
  explicit DownloadFolder(base::Descriptor directory) : directory_(std::move(directory)) {}

  base::Descriptor directory_;
};

}  // namespace p2pd::daemon
