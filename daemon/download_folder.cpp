#include "daemon/download_folder.hpp"

#include <cerrno>
#include <filesystem>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "daemon/rename_new.hpp"
#include "proto/file_name.hpp"

namespace p2pd::daemon {

using base::Descriptor;
using base::Result;

Result<DownloadFolder> DownloadFolder::open(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path folder(path);
  if (!std::filesystem::exists(std::filesystem::symlink_status(folder, ignored))) {
    std::filesystem::create_directories(folder.parent_path(), ignored);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return base::errno_error(errno, fmt::format("cannot make the download folder {}", path));
    }
  }
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) {
    const char* hint = errno == ELOOP || errno == ENOTDIR ? "; name the folder itself, not a link to it" : "";
    return base::errno_error(errno, fmt::format("cannot open the download folder {}{}", path, hint));
  }
  if (::faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return base::errno_error(errno, fmt::format("cannot write to the download folder {}", path));
  }
  return DownloadFolder(std::move(directory));
}

Result<void> DownloadFolder::check(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path folder(path);
  if (std::filesystem::exists(std::filesystem::symlink_status(folder, ignored))) {
    const auto opened = open(path);
    if (!opened) return opened.error();
    return {};
  }
  while (folder.has_relative_path() && !std::filesystem::exists(folder, ignored))
    folder = folder.parent_path();
  if (!std::filesystem::is_directory(folder, ignored)) {
    return base::errno_error(ENOTDIR,
                             fmt::format("cannot make the download folder {} in {}", path, folder.string()));
  }
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return base::errno_error(errno,
                           fmt::format("cannot make the download folder {} in {}", path, folder.string()));
}

Result<Descriptor> DownloadFolder::open_partial(const std::string& name) const {
  const auto open_it = [&] {
    return Descriptor(::openat(directory_.get(), name.c_str(),
                               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  };
  Descriptor file = open_it();
  // Killed between getting its own mode, which may be read-only, and its name.
  if (!file && errno == EACCES) {
    if (::fchmodat(directory_.get(), name.c_str(), 0600, AT_SYMLINK_NOFOLLOW) != 0)
      errno = EACCES;
    else
      file = open_it();
  }
  if (!file) return base::errno_error(errno, fmt::format("cannot open {}", name));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return base::errno_error(errno, name);
  if (!S_ISREG(info.st_mode) || info.st_nlink != 1 || info.st_uid != ::geteuid()) {
    return base::errno_error(EPERM, fmt::format("{} is not a file of p2pd alone", name));
  }
  return file;
}

bool DownloadFolder::taken(const std::string& name) const {
  struct stat info {};
  return ::fstatat(directory_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

bool DownloadFolder::same(const std::string& one, const std::string& other) const {
  struct stat a {};
  struct stat b {};
  return ::fstatat(directory_.get(), one.c_str(), &a, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstatat(directory_.get(), other.c_str(), &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

Result<void> DownloadFolder::rename_to_new(const std::string& from, const std::string& to) const {
  if (rename_new(directory_.get(), from.c_str(), to.c_str()) == 0) return {};
  return base::errno_error(errno, fmt::format("cannot name the received file {}", to));
}

void DownloadFolder::remove(const std::string& name) const { ::unlinkat(directory_.get(), name.c_str(), 0); }

Result<void> DownloadFolder::sync() const {
  if (::fsync(directory_.get()) == 0) return {};
  return base::errno_error(errno, "cannot sync the download folder");
}

std::optional<std::uint64_t> DownloadFolder::free_space() const {
  struct statvfs status {};
  if (::fstatvfs(directory_.get(), &status) != 0) return std::nullopt;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

std::vector<std::string> DownloadFolder::partials() const {
  std::vector<std::string> out;
  // A descriptor of its own: reading moves its position.
  const int copy = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return out;
  const auto close = [](DIR* listing) { ::closedir(listing); };
  const std::unique_ptr<DIR, decltype(close)> listing(::fdopendir(copy), close);
  if (!listing) {
    ::close(copy);
    return out;
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    std::string name = entry->d_name;
    if (name.starts_with(proto::kPartialPrefix)) out.push_back(std::move(name));
  }
  return out;
}

}  // namespace p2pd::daemon
