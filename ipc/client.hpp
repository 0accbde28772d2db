// The socket's other end for p2pctl and the tests: synchronous calls with deadlines, notifications kept in
// order while a call waits. Not thread-safe; closes with its destruction.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>
#include <nlohmann/json_fwd.hpp>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "ipc/codec.hpp"

namespace p2pd::ipc {

struct CallError {
  enum class Kind {
    no_daemon,     // nothing listens at the path
    no_access,     // the file system or the daemon does not let this user in
    timeout,       // the deadline passed
    disconnected,  // the daemon closed the connection
    bad_answer,    // what came back is not JSON-RPC
    refused,       // the daemon answered with an error: `api`
  };
  Kind kind = Kind::no_daemon;
  std::string message;
  ApiError api;
};

template <class T>
using CallResult = boost::system::result<T, CallError>;

struct Notification {
  std::string method;
  std::shared_ptr<nlohmann::json> params;
};

class Client {
 public:
  [[nodiscard]] static CallResult<Client> connect(const std::string& path);

  // `descriptor`, where there is one, goes beside the request; it stays the caller's.
  [[nodiscard]] CallResult<std::shared_ptr<nlohmann::json>> call(std::string_view method,
                                                                 const nlohmann::json& params,
                                                                 base::TimePoint deadline,
                                                                 int descriptor = -1);
  // Sends a request without waiting; answers come by next_answer(), in any order. Gives its ID.
  [[nodiscard]] CallResult<std::string> start(std::string_view method, const nlohmann::json& params,
                                              base::TimePoint deadline, int descriptor = -1);
  // Notifications are dropped.
  [[nodiscard]] CallResult<Answer> next_answer(base::TimePoint deadline);
  // Readable when there may be an answer.
  [[nodiscard]] int socket() const { return socket_.get(); }
  // After a call that made the connection a byte stream: the socket, and what has come already.
  struct Stream {
    base::Descriptor socket;  // not blocking
    std::string early;
  };
  [[nodiscard]] Stream release() && { return {std::move(socket_), std::move(input_)}; }

  // The next notification, from those kept or from the socket.
  [[nodiscard]] CallResult<Notification> next(base::TimePoint deadline);

 private:
  explicit Client(base::Descriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] CallResult<void> send_line(std::string line, base::TimePoint deadline, int descriptor);
  [[nodiscard]] CallResult<Answer> read_answer(base::TimePoint deadline);

  base::Descriptor socket_;
  std::string input_;
  std::size_t searched_ = 0;  // no newline before this offset of input_
  std::deque<Notification> notifications_;
  std::uint64_t last_id_ = 0;
};

}  // namespace p2pd::ipc
