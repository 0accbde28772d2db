// A client of a Unix socket that says exactly the bytes a test gives it, well-formed or not. Blocking, with a
// limit of 20 s on every read so that a broken test fails instead of hanging.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/descriptor.hpp"

namespace p2pd::fakes {

class RawClient {
 public:
  RawClient() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  explicit RawClient(const std::string& path) : RawClient() { connect(path); }

  void connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error(std::string("connect: ") + std::strerror(errno));
    }
  }

  // False when the other end has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  void send_line(std::string_view line) { send(std::string(line) + "\n"); }

  // With a descriptor beside the bytes.
  bool send_with(std::string_view bytes, int fd) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(int));
    return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

  void shutdown_send() { ::shutdown(socket_.get(), SHUT_WR); }

  // Without its newline; nothing when the other end closed first.
  std::optional<std::string> line() {
    for (;;) {
      const std::size_t newline = input_.find('\n');
      if (newline != std::string::npos) {
        std::string out = input_.substr(0, newline);
        input_.erase(0, newline + 1);
        return out;
      }
      if (!read_more()) return std::nullopt;
    }
  }
  // Everything up to the end.
  std::string rest() {
    while (read_more()) {
    }
    return std::move(input_);
  }

  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  bool read_more() {
    char buffer[64 * 1024];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EAGAIN) throw std::runtime_error("nothing came within 20 s");
    if (count <= 0) return false;
    input_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  base::Descriptor socket_;
  std::string input_;
};

}  // namespace p2pd::fakes
