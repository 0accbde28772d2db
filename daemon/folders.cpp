#include "daemon/folders.hpp"

#include <algorithm>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace p2pd::daemon {
namespace {

namespace fs = std::filesystem;
using base::Descriptor;
using base::Error;
using base::Result;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// An XDG folder: the variable where it is absolute, else `fallback` below HOME, else empty.
fs::path xdg(const char* variable, const char* fallback) {
  if (const std::string set = environment(variable); set.starts_with('/')) return set;
  const std::string home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / fallback;
}

Error refused(std::string why) {
  return {make_error_code(boost::system::errc::operation_not_permitted), std::move(why)};
}

}  // namespace

Folders default_folders() {
  Folders out;
  const std::string state = environment("STATE_DIRECTORY");
  const std::string runtime = environment("RUNTIME_DIRECTORY");
  out.system_service = !state.empty() || (::geteuid() == 0 && environment("XDG_RUNTIME_DIR").empty());
  if (out.system_service) {
    out.state = state.empty() ? "/var/lib/p2pd" : state;
    out.socket = fs::path(runtime.empty() ? "/run/p2pd" : runtime) / "p2pd.sock";
    out.downloads = out.state / "files";
    return out;
  }
  if (const fs::path home = xdg("XDG_STATE_HOME", ".local/state"); !home.empty()) out.state = home / "p2pd";
  out.downloads = xdg("XDG_DOWNLOAD_DIR", "Downloads");
  if (const std::string dir = environment("XDG_RUNTIME_DIR"); !dir.empty())
    out.socket = fs::path(dir) / "p2pd/p2pd.sock";
  return out;
}

Result<std::vector<fs::path>> config_files(const std::optional<std::string>& named) {
  std::vector<fs::path> out;
  fs::path folder;
  if (named) {
    out.emplace_back(*named);
    folder = out.front().parent_path();
  } else {
    folder = default_folders().system_service ? "/etc/p2pd" : xdg("XDG_CONFIG_HOME", ".config") / "p2pd";
    // One that is there and cannot be read is an error, not a file that is missing.
    std::error_code ignored;
    if (fs::status(folder / "p2pd.conf", ignored).type() != fs::file_type::not_found)
      out.push_back(folder / "p2pd.conf");
  }
  std::error_code failed;
  std::vector<fs::path> extra;
  for (fs::directory_iterator entry(folder / "conf.d", failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (entry->path().extension() == ".conf") extra.push_back(entry->path());
  }
  if (failed && failed != std::errc::no_such_file_or_directory && failed != std::errc::not_a_directory) {
    return Error(failed, fmt::format("cannot read the folder {}", (folder / "conf.d").string()));
  }
  std::sort(extra.begin(), extra.end());
  out.insert(out.end(), extra.begin(), extra.end());
  return out;
}

Result<Descriptor> lock_state_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder.parent_path(), failed);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return base::errno_error(errno, fmt::format("cannot make the state folder {}", folder.string()));
  }
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory)
    return base::errno_error(errno, fmt::format("cannot open the state folder {}", folder.string()));
  struct stat info {};
  if (::fstat(directory.get(), &info) != 0) return base::errno_error(errno, folder.string());
  if (info.st_uid != ::geteuid()) {
    return refused(
        fmt::format("the state folder {} belongs to another user; give p2pd one of its own with --state-dir",
                    folder.string()));
  }
  if ((info.st_mode & 022) != 0) {
    return refused(fmt::format("the state folder {} can be written by others; run: chmod go-w {}",
                               folder.string(), folder.string()));
  }
  Descriptor lock(::openat(directory.get(), "p2pd.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock) return base::errno_error(errno, fmt::format("cannot open {}/p2pd.lock", folder.string()));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::errno_error(errno, fmt::format("cannot lock {}", folder.string()));
    return refused(fmt::format(
        "another p2pd is using the state folder {}; stop it, or give this one another --state-dir",
        folder.string()));
  }
  return lock;
}

}  // namespace p2pd::daemon
