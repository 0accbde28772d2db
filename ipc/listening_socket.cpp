#include "ipc/listening_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace p2pd::ipc {
namespace {

using base::Descriptor;
using base::Error;
using base::Result;

class Category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.socket"; }
  std::string message(int value) const override {
    switch (static_cast<SocketError>(value)) {
      case SocketError::path_too_long:
        return "this path is too long for a Unix socket; give a shorter one with --socket";
      case SocketError::folder_not_ours:
        return "the socket's folder belongs to another user; make one of your own and name it with --socket";
      case SocketError::folder_writable:
        return "other users may write to the socket's folder; run `chmod go-w` on it or give another "
               "--socket";
      case SocketError::not_a_socket:
        return "there is something else than a socket; remove it or give another --socket";
      case SocketError::not_our_socket:
        return "there is a socket of another user; remove it or give another --socket";
      case SocketError::in_use:
        return "another p2pd is listening there; stop it or give another --socket";
    }
    return "unknown error";
  }
};

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return Error(SocketError::path_too_long, path);
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

Error system_error(const std::string& doing) { return base::errno_error(errno, doing); }

Error group_error(gid_t group, const std::string& path) {
  return system_error(
      "cannot give " + path + " to the group " + std::to_string(group) +
      " (only root and members of a group can; for a service, set Group= by `systemctl edit p2pd`)");
}

// A folder that was just made lets in whom the socket is for.
Result<> open_up(const Descriptor& folder, const std::string& path, mode_t socket,
                 std::optional<gid_t> group) {
  mode_t mode = 0700;
  if ((socket & 0060) != 0) mode |= 0050;
  if ((socket & 0006) != 0) mode |= 0055;
  struct stat about {};
  if (::fstat(folder.get(), &about) != 0) return system_error("cannot look at the folder " + path);
  if (group && about.st_gid != *group && ::fchown(folder.get(), static_cast<uid_t>(-1), *group) != 0)
    return group_error(*group, path);
  if (::fchmod(folder.get(), mode) != 0) return system_error("cannot set the mode of the folder " + path);
  return {};
}

Result<Descriptor> open_folder(const std::string& folder, mode_t socket, std::optional<gid_t> group) {
  // Only the last part is made: anything above it is someone's decision.
  const bool made = ::mkdir(folder.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return system_error("cannot make the folder " + folder);
  Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return system_error("cannot open the folder " + folder);
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return system_error("cannot look at the folder " + folder);
  if (about.st_uid != ::geteuid()) return Error(SocketError::folder_not_ours, folder);
  if ((about.st_mode & (S_IWGRP | S_IWOTH)) != 0) return Error(SocketError::folder_writable, folder);
  if (made) {
    if (auto opened = open_up(fd, folder, socket, group); !opened) return opened.error();
  }
  return fd;
}

Result<Descriptor> take_lock(const Descriptor& folder, const std::string& name, const std::string& path) {
  const std::string lock = name + ".lock";
  Descriptor fd(::openat(folder.get(), lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return system_error("cannot open the lock file " + path + ".lock");
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error(SocketError::in_use, path);
    return system_error("cannot lock " + path + ".lock");
  }
  return fd;
}

Result<Descriptor> stream_socket() {
  Descriptor fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd) return system_error("cannot make a socket");
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    return system_error("cannot set up a socket");
  }
  return fd;
}

// Whatever stands where the socket goes: nothing, or our own socket that nobody listens on, which is removed.
Result<> clear_place(const Descriptor& folder, const std::string& name, const sockaddr_un& address) {
  const std::string path = address.sun_path;
  struct stat about {};
  if (::fstatat(folder.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return system_error("cannot look at " + path);
  }
  if (!S_ISSOCK(about.st_mode)) return Error(SocketError::not_a_socket, path);
  if (about.st_uid != ::geteuid()) return Error(SocketError::not_our_socket, path);
  const Result<Descriptor> probe = stream_socket();
  if (!probe) return probe.error();
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(probe->get(), generic, sizeof(address)) == 0 || errno != ECONNREFUSED) {
    return Error(SocketError::in_use, path);
  }
  if (::unlinkat(folder.get(), name.c_str(), 0) != 0)
    return system_error("cannot remove the dead socket " + path);
  return {};
}

Result<> bind_and_listen(const Descriptor& socket, const sockaddr_un& address, mode_t mode,
                         std::optional<gid_t> group) {
  const std::string path = address.sun_path;
  const mode_t before = ::umask(static_cast<mode_t>(~mode & 0777));
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int bind_errno = errno;
  ::umask(before);
  if (bound != 0) return base::errno_error(bind_errno, "cannot bind the socket " + path);
  // Nobody can connect before listen(). A service that is closed up may give nothing away, also not what it
  // is already.
  struct stat about {};
  if (group && (::lstat(path.c_str(), &about) != 0 || about.st_gid != *group) &&
      ::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    Error why = group_error(*group, path);
    ::unlink(path.c_str());
    return why;
  }
  if (::listen(socket.get(), 128) != 0) return system_error("cannot listen on the socket " + path);
  return {};
}

}  // namespace

boost::system::error_code make_error_code(SocketError error) {
  static const Category category;
  return {static_cast<int>(error), category};
}

Result<ListeningSocket> ListeningSocket::open(const std::string& path, mode_t mode,
                                              std::optional<gid_t> group) {
  const Result<sockaddr_un> address = address_of(path);
  if (!address) return address.error();
  const std::filesystem::path whole(path);
  const std::string parent = whole.has_parent_path() ? whole.parent_path().string() : ".";
  ListeningSocket out;
  out.name_ = whole.filename().string();

  Result<Descriptor> folder = open_folder(parent, mode, group);
  if (!folder) return folder.error();
  out.folder_ = std::move(*folder);
  Result<Descriptor> lock = take_lock(out.folder_, out.name_, path);
  if (!lock) return lock.error();
  out.lock_ = std::move(*lock);
  const Result<> cleared = clear_place(out.folder_, out.name_, *address);
  if (!cleared) return cleared.error();
  Result<Descriptor> socket = stream_socket();
  if (!socket) return socket.error();
  const Result<> bound = bind_and_listen(*socket, *address, mode, group);
  if (!bound) return bound.error();
  out.socket_ = std::move(*socket);

  struct stat about {};
  if (::fstatat(out.folder_.get(), out.name_.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
    return system_error("cannot look at " + path);
  }
  out.device_ = about.st_dev;
  out.inode_ = about.st_ino;
  return out;
}

ListeningSocket::~ListeningSocket() {
  if (!folder_ || inode_ == 0) return;
  struct stat about {};
  if (::fstatat(folder_.get(), name_.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (about.st_dev == device_ && about.st_ino == inode_) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

}  // namespace p2pd::ipc
