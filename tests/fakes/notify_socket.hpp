// The service manager's end of sd_notify(3): a real datagram socket, named in the environment while this
// lives.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/descriptor.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace p2pd::fakes {

class NotifySocket {
 public:
  enum class Kind { path, abstract };

  explicit NotifySocket(Kind kind = Kind::path) {
    const std::string path = (folder_ / "socket").string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    name_ = path;
    if (kind == Kind::abstract) {
      name_[0] = '@';
      address.sun_path[0] = '\0';
      --length;
    }
    socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) std::abort();
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  ~NotifySocket() {
    for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(variable);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  // The next message that is already there.
  [[nodiscard]] std::optional<std::string> next() {
    char buffer[1024];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0) return std::nullopt;
    return std::string(buffer, static_cast<std::size_t>(got));
  }

 private:
  TempFolder folder_;
  std::string name_;
  base::Descriptor socket_;
};

}  // namespace p2pd::fakes
