// The daemon's socket in the file system, set up so that no other user can take its place: lock file first, a
// folder that only we can write to, mode by umask, nothing unlinked but our own dead socket. Owned by the
// Server; one thread. Its destruction removes the socket, if it is still the one that was bound; the lock
// file stays.
#pragma once

#include <optional>
#include <string>

#include <boost/system/error_code.hpp>
#include <sys/stat.h>

#include "base/descriptor.hpp"
#include "base/result.hpp"

namespace p2pd::ipc {

enum class SocketError {
  path_too_long = 1,
  folder_not_ours,
  folder_writable,
  not_a_socket,
  not_our_socket,
  in_use,
};
[[nodiscard]] boost::system::error_code make_error_code(SocketError error);

class ListeningSocket {
 public:
  // Errors: SocketError, or the system's with what was being done.
  [[nodiscard]] static base::Result<ListeningSocket> open(const std::string& path, mode_t mode,
                                                          std::optional<gid_t> group = std::nullopt);

  ListeningSocket(ListeningSocket&&) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  // The bound, listening, non-blocking descriptor; once.
  [[nodiscard]] base::Descriptor take() { return std::move(socket_); }

 private:
  ListeningSocket() = default;

  base::Descriptor folder_;
  base::Descriptor lock_;
  base::Descriptor socket_;
  std::string name_;  // in the folder
  dev_t device_ = 0;  // of the socket's file
  ino_t inode_ = 0;
};

}  // namespace p2pd::ipc

template <>
struct boost::system::is_error_code_enum<p2pd::ipc::SocketError> : std::true_type {};
