#include "ipc/client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace p2pd::ipc {
namespace {

using base::Clock;
using base::TimePoint;
using Kind = CallError::Kind;

// Answers may be larger than requests: a page of messages, each up to 1 MiB.
constexpr std::size_t kMaxAnswer = 256 * 1024 * 1024;
// Notifications kept while a call waits; later ones are dropped, which their `seq` shows.
constexpr std::size_t kMaxKept = 65536;
constexpr std::size_t kReadSize = 64 * 1024;

CallError fail(Kind kind, std::string message) { return {kind, std::move(message), {}}; }

CallError closed() { return fail(Kind::disconnected, "p2pd closed the connection"); }

CallError refusal(const ApiError& api) { return {Kind::refused, api.message, api}; }

// False when the deadline came first.
bool wait_for(int fd, short events, TimePoint deadline) {
  for (;;) {
    int timeout = -1;
    if (deadline != base::kNever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return false;
      timeout = static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
    }
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, timeout);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the operation itself will say what is wrong
  }
}

// As send(); `descriptor` goes with the first byte unless it is negative.
ssize_t send_some(int socket, std::string_view data, int descriptor) {
  iovec part{const_cast<char*>(data.data()), data.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

CallError connect_error(const std::string& path, int error) {
  const std::string at = path + " (" + std::strerror(error) + ")";
  if (error == EACCES || error == EPERM) return fail(Kind::no_access, "you may not use the socket " + at);
  if (error == EAGAIN) return fail(Kind::timeout, "p2pd does not take connections at " + at);
  return fail(Kind::no_daemon, "nothing listens at " + at);
}

}  // namespace

CallResult<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return connect_error(path, ENAMETOOLONG);
  std::copy(path.begin(), path.end(), address.sun_path);
  base::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!socket) return connect_error(path, errno);
  // Not blocking from here: a daemon that hangs with a full backlog answers EAGAIN.
  if (::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) {
    return connect_error(path, errno);
  }
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return connect_error(path, errno);
  }
  return Client(std::move(socket));
}

CallResult<std::shared_ptr<nlohmann::json>> Client::call(std::string_view method,
                                                         const nlohmann::json& params, TimePoint deadline,
                                                         int descriptor) {
  const CallResult<std::string> started = start(method, params, deadline, descriptor);
  if (!started) return started.error();
  const std::string& id = *started;
  for (;;) {
    CallResult<Answer> read = read_answer(deadline);
    if (!read) return read.error();
    Answer& answer = *read;
    if (!answer.method.empty()) {
      if (notifications_.size() < kMaxKept) {
        notifications_.push_back({std::move(answer.method), std::move(answer.value)});
      }
      continue;
    }
    // The id null is an error about the whole connection; any other is a call we gave up waiting for.
    if (answer.id != id && answer.id != "null") continue;
    if (answer.error) return refusal(*answer.error);
    return std::move(answer.value);
  }
}

CallResult<std::string> Client::start(std::string_view method, const nlohmann::json& params,
                                      TimePoint deadline, int descriptor) {
  std::string id = std::to_string(++last_id_);
  const CallResult<void> sent = send_line(encode_request(id, method, params) + "\n", deadline, descriptor);
  // A daemon that refuses a client says why before it closes: what it wrote is still there to read.
  if (!sent && sent.error().kind != Kind::disconnected) return sent.error();
  return id;
}

CallResult<Answer> Client::next_answer(TimePoint deadline) {
  for (;;) {
    CallResult<Answer> read = read_answer(deadline);
    if (!read || read->method.empty()) return read;
  }
}

CallResult<Notification> Client::next(TimePoint deadline) {
  if (!notifications_.empty()) {
    Notification out = std::move(notifications_.front());
    notifications_.pop_front();
    return out;
  }
  for (;;) {
    CallResult<Answer> read = read_answer(deadline);
    if (!read) return read.error();
    if (!read->method.empty()) return Notification{std::move(read->method), std::move(read->value)};
    if (read->id == "null" && read->error) return refusal(*read->error);
  }
}

CallResult<void> Client::send_line(std::string line, TimePoint deadline, int descriptor) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = send_some(socket_.get(), rest, descriptor);
    if (count >= 0) {
      descriptor = -1;
      rest.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      if (!wait_for(socket_.get(), POLLOUT, deadline))
        return fail(Kind::timeout, "p2pd did not take the request");
    } else if (errno != EINTR) {
      return closed();
    }
  }
  return {};
}

CallResult<Answer> Client::read_answer(TimePoint deadline) {
  for (;;) {
    const std::size_t newline = input_.find('\n', searched_);
    if (newline != std::string::npos) {
      std::optional<Answer> answer = parse_answer(std::string_view(input_).substr(0, newline));
      input_.erase(0, newline + 1);
      searched_ = 0;
      if (!answer) return fail(Kind::bad_answer, "what listens there does not speak JSON-RPC: is it p2pd?");
      return std::move(*answer);
    }
    searched_ = input_.size();
    if (input_.size() > kMaxAnswer) return fail(Kind::bad_answer, "p2pd's answer is too large");
    input_.resize(searched_ + kReadSize);
    const ssize_t count = ::recv(socket_.get(), input_.data() + searched_, kReadSize, 0);
    const int error = errno;
    input_.resize(searched_ + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0 || (count < 0 && error != EAGAIN && error != EINTR)) return closed();
    if (count < 0 && !wait_for(socket_.get(), POLLIN, deadline)) {
      return fail(Kind::timeout, "p2pd did not answer in time");
    }
  }
}

}  // namespace p2pd::ipc
