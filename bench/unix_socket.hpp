// A connection to a daemon's socket, for the programs here that speak its API. Each function throws
// std::runtime_error with a sentence.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace p2pd::bench {

class UnixSocket {
 public:
  explicit UnixSocket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::runtime_error("the path is too long: " + path);
    path.copy(address.sun_path, path.size());
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("no daemon at " + path);
  }
  ~UnixSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // The descriptor is the caller's from now on.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

  void send(std::string_view data) const {
    while (!data.empty()) {
      const ssize_t count = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (count <= 0) throw std::runtime_error("cannot write to the daemon");
      data.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  // Sends a request and appends its answer, up to the newline and without it, to an empty `line`. Reads past
  // it only when `exact` is false and then expects nothing there.
  void call(std::string_view method, std::string_view params, std::string& line, bool exact = false) const {
    std::string request = R"({"jsonrpc":"2.0","id":1,"method":")";
    request.append(method).append(R"(","params":)").append(params).append("}\n");
    send(request);
    line.clear();
    while (line.empty() || line.back() != '\n') {
      const std::size_t before = line.size();
      line.resize(before + (exact ? 1 : 256 * 1024));
      const ssize_t count = ::read(fd_, line.data() + before, line.size() - before);
      if (count <= 0) throw std::runtime_error("the daemon closed the connection");
      line.resize(before + static_cast<std::size_t>(count));
    }
    line.pop_back();
  }

 private:
  int fd_;
};

}  // namespace p2pd::bench
