// The Unix socket: accepts local programs, asks the kernel who they are, reads their lines and runs them
// through the method table. Requests of one connection start in the order they came and are answered as they
// complete. A client that breaks a limit of ServerOptions gets one error and is closed; the others notice
// nothing. Owned by the daemon, runs on one executor (a single thread's). Ends with stop(), which lets
// started requests finish for a moment; awaited before destruction.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <sys/stat.h>

#include "base/result.hpp"
#include "ipc/access.hpp"
#include "ipc/codec.hpp"
#include "ipc/method_table.hpp"

namespace p2pd::ipc {

struct ServerOptions {
  std::string path;
  mode_t mode = 0600;          // of the socket, set by umask before bind
  std::optional<gid_t> group;  // of the socket, where it is not to be the process's own
  std::size_t max_clients = 64;
  std::size_t reserved_clients = 8;  // of these for the tier admin alone, so that others cannot shut it out
  std::size_t max_line = kMaxLine;
  std::size_t max_outstanding = 128;  // unanswered requests a connection; above it nothing is read from it
  // Unread answers of one client: above the first no request is read and no event is sent (the subscription
  // ends with `overflow`), above the second it is disconnected. One answer alone may be larger.
  std::size_t soft_output = 1024 * 1024;
  std::size_t hard_output = 16 * 1024 * 1024;
  std::chrono::milliseconds half_sent{std::chrono::seconds(30)};  // from a line's first byte to its newline
  std::chrono::milliseconds idle{std::chrono::minutes(10)};       // nothing asked, nothing subscribed
  std::chrono::milliseconds unread{std::chrono::seconds(30)};     // output waits and the client reads nothing
  std::chrono::milliseconds drain{std::chrono::seconds(1)};       // stop() waits this long for answers
  // Who may do what; nothing refuses the client. By default the user that runs the daemon, and root: admin.
  std::function<std::optional<Tier>(const Credentials&)> authorise;
};

class Server {
 public:
  // `methods` must outlive the server.
  Server(boost::asio::any_io_executor executor, const MethodTable& methods, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes PATH.lock, makes the folder (as open as the socket) when only the last part is missing, checks it,
  // removes the socket of a dead daemon, binds and starts accepting. Errors are sentences with a next step.
  [[nodiscard]] base::Result<> start();
  // Accepts no more, answers what has started, closes every client, removes the socket.
  [[nodiscard]] boost::asio::awaitable<void> stop();

  [[nodiscard]] std::size_t clients() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pd::ipc
