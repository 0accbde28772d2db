#include "ipc/session.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "base/await.hpp"
#include "base/log.hpp"

namespace p2pd::ipc {
namespace {

namespace asio = boost::asio;
using base::Clock;
using base::kAwait;
using base::TimePoint;

constexpr std::size_t kReadSize = 64 * 1024;
// An empty buffer that has grown beyond this gives its memory back.
constexpr std::size_t kKeptInput = 64 * 1024;
// Lines that are written by one call.
constexpr std::size_t kMaxWritten = 64;
// Descriptors the kernel may hand over with one read; all but the first are closed.
constexpr std::size_t kMaxDescriptors = 8;

bool looks_like_http(std::string_view line) {
  constexpr std::array<std::string_view, 10> kMethods{"GET ",    "POST ",    "PUT ",   "HEAD ",  "OPTIONS ",
                                                      "DELETE ", "CONNECT ", "PATCH ", "TRACE ", "PRI "};
  return std::any_of(kMethods.begin(), kMethods.end(),
                     [&](std::string_view m) { return line.starts_with(m); });
}

}  // namespace

Session::Session(Socket socket, const MethodTable& methods, const ServerOptions& options, ClientInfo client)
    : socket_(std::move(socket)),
      methods_(methods),
      options_(options),
      client_(client),
      line_started_(Clock::now()),
      last_activity_(line_started_),
      last_written_(line_started_),
      readable_(socket_.get_executor(), base::kNever),
      writable_(socket_.get_executor(), base::kNever),
      watchdog_(socket_.get_executor()) {}

// --- reading

asio::awaitable<void> Session::run_reader(std::shared_ptr<Session> self) {
  while (self->state_ == State::open) {
    self->handle_lines();
    if (self->state_ != State::open) break;
    if (self->upgrading_) {
      // Nothing is read; a client that goes is noticed.
      co_await self->socket_.async_wait(Socket::wait_error, kAwait);
      if (self->state_ != State::open) break;
      if (self->hung_up()) self->close();
      if (self->state_ == State::open) co_await self->readable_.async_wait(kAwait);
      continue;
    }
    if (!self->may_read()) {
      co_await self->readable_.async_wait(kAwait);
      continue;
    }
    const Received received = self->receive();
    if (received == Received::end) {
      self->end_of_input();
    } else if (received == Received::nothing_yet) {
      co_await self->socket_.async_wait(Socket::wait_read, kAwait);
    } else {
      // A client that never stops writing gets one chunk in turn with everything else on this thread.
      co_await asio::post(self->socket_.get_executor(), asio::use_awaitable);
    }
  }
}

bool Session::may_read() const {
  return !upgrading_ && outstanding_ < options_.max_outstanding && output_bytes_ <= options_.soft_output;
}

Session::Received Session::receive() {
  std::array<char, kReadSize> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): the kernel fills it
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
  const int error = errno;
  if (count > 0) {
    const TimePoint now = Clock::now();
    if (input_.empty()) line_started_ = now;
    input_.append(buffer.data(), static_cast<std::size_t>(count));
    last_activity_ = now;
    keep_descriptors(&message);
    return Received::something;
  }
  if (count < 0 && (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)) return Received::nothing_yet;
  return Received::end;
}

// The kernel ends a read with the bytes that the descriptors were sent with, so they belong to the line of
// the last byte read.
void Session::keep_descriptors(const void* message) {
  auto* const header = const_cast<msghdr*>(static_cast<const msghdr*>(message));
  for (cmsghdr* part = CMSG_FIRSTHDR(header); part != nullptr; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      base::Descriptor owner(fd);
      if (descriptor_) continue;
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      descriptor_ = std::move(owner);
      descriptor_offset_ = input_.size() - 1;
    }
  }
}

void Session::handle_lines() {
  std::size_t done = 0;
  bool too_long = false;
  while (state_ == State::open && may_read()) {
    const std::size_t newline = input_.find('\n', std::max(done, searched_));
    too_long = std::min(newline, input_.size()) - done > options_.max_line;
    if (newline == std::string::npos) searched_ = input_.size();
    if (newline == std::string::npos || too_long) break;
    base::Descriptor descriptor;
    if (descriptor_ && descriptor_offset_ <= newline) descriptor = std::move(descriptor_);
    handle_line(std::string_view(input_).substr(done, newline - done), std::move(descriptor));
    done = newline + 1;
    line_started_ = Clock::now();
  }
  input_.erase(0, done);
  searched_ -= std::min(searched_, done);
  descriptor_offset_ -= std::min(descriptor_offset_, done);
  if (input_.empty() && input_.capacity() > kKeptInput) input_.shrink_to_fit();
  if (too_long) {
    reject({ErrorCode::too_large, "a request has at most " + std::to_string(options_.max_line) +
                                      " bytes: send less, or in several requests"});
  }
  rearm_watchdog();
}

void Session::handle_line(std::string_view line, base::Descriptor descriptor) {
  if (std::exchange(first_line_, false) && looks_like_http(line)) return reject_http();
  CallLine calls = parse_calls(line);
  if (!calls.batch) return start_call(std::move(calls.calls.front()), nullptr, std::move(descriptor));
  const auto batch = std::make_shared<Batch>();
  batch->waiting = calls.calls.size();
  for (Call& call : calls.calls) start_call(std::move(call), batch, {});
}

void Session::start_call(Call call, std::shared_ptr<Batch> batch, base::Descriptor descriptor) {
  ++outstanding_;
  // Safe from any thread: only the session's own one looks at it.
  auto deliver = [executor = socket_.get_executor(), weak = weak_from_this(), batch](std::string answer) {
    asio::dispatch(executor, [weak, batch, text = std::move(answer)]() mutable {
      if (const auto self = weak.lock()) self->answered(batch, std::move(text));
    });
  };
  const bool in_batch = batch != nullptr;
  std::optional<ApiError> problem;
  if (!call.error && !descriptor && methods_.upgrades(call.method)) {
    problem = upgrade_problem(call, in_batch);
    upgrading_ = !problem;
  }
  Responder responder(std::move(call.id), std::move(deliver));
  if (call.error) return responder.error(*call.error);
  if (problem) {
    responder.error(*problem);
    // What follows is meant for a stream.
    return in_batch ? void() : finish();
  }
  Request request(std::move(*call.params), client_, weak_from_this(), std::move(descriptor));
  methods_.call(call.method, std::move(request), std::move(responder));
}

std::optional<ApiError> Session::upgrade_problem(const Call& call, bool batch) const {
  std::string_view why;
  if (batch) why = "it cannot stand in a batch";
  if (call.id.empty()) why = "it needs an id";
  if (outstanding_ > 1) why = "other requests of this connection are not answered yet";
  if (holds_ > 0) why = "this connection has a subscription";
  if (why.empty()) return std::nullopt;
  return ApiError(ErrorCode::invalid_request, call.method + " makes its connection a byte stream: " +
                                                  std::string(why) + "; use a connection of its own");
}

// A client that only ended its sending side is still there.
bool Session::hung_up() {
  pollfd entry{socket_.native_handle(), 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Session::hand_over(Taken taken) {
  if (state_ == State::closed) return taken({}, {});
  taken_ = std::move(taken);
}

void Session::when_gone(std::function<void()> gone) {
  if (state_ == State::closed) return gone();
  gone_.push_back(std::move(gone));
}

// The socket goes to whom it was promised to; nothing is left for this session to do.
void Session::leave() {
  state_ = State::closed;
  const Taken taken = std::exchange(taken_, nullptr);
  const base::ByteView early = base::as_bytes(input_);
  gone_.clear();
  readable_.cancel();
  watchdog_.cancel();
  taken(base::Descriptor(socket_.release()), base::Bytes(early.begin(), early.end()));
}

void Session::answered(const std::shared_ptr<Batch>& batch, std::string answer) {
  --outstanding_;
  last_activity_ = Clock::now();
  if (!batch) {
    if (!answer.empty()) enqueue(std::move(answer));
    if (upgrading_ && !taken_) finish();
  } else {
    if (!answer.empty()) batch->answers.append(batch->answers.empty() ? "[" : ",").append(answer);
    if (--batch->waiting == 0 && !batch->answers.empty()) enqueue(std::move(batch->answers) + "]");
  }
  readable_.cancel();
  writable_.cancel();
  rearm_watchdog();
}

void Session::end_of_input() {
  if (!input_.empty()) return reject({ErrorCode::parse_error, "the last request has no newline at its end"});
  finish();
}

void Session::reject(const ApiError& error) {
  base::log::debug("ipc", "client broke a limit",
                   {{"client", static_cast<std::uint64_t>(client_.id)}, {"error", error.message}});
  enqueue(encode_error("null", error));
  finish();
}

void Session::reject_http() {
  constexpr std::string_view kText =
      "This is p2pd's local socket. It speaks JSON-RPC 2.0, one object a line, not HTTP.\n";
  std::string answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n";
  answer += "Content-Length: " + std::to_string(kText.size()) + "\r\n\r\n";
  answer += kText.substr(0, kText.size() - 1);  // enqueue() ends it with a newline
  enqueue(std::move(answer));
  finish();
}

// --- writing

asio::awaitable<void> Session::run_writer(std::shared_ptr<Session> self) {
  while (self->state_ != State::closed) {
    if (self->output_.empty()) {
      if (self->taken_ && self->outstanding_ == 0) co_return self->leave();
      if (self->state_ == State::finishing && self->outstanding_ == 0) break;
      co_await self->writable_.async_wait(kAwait);
      continue;
    }
    // What is queued stays where it is until it is written: a deque does not move its elements.
    const std::vector<asio::const_buffer> lines = self->next_output();
    const auto [error, count] = co_await self->socket_.async_write_some(lines, kAwait);
    if (error) self->close();
    if (self->state_ == State::closed) break;
    self->wrote(count);
  }
  self->close();
}

// Several answers at once: a system call for each would cost more than the answers.
std::vector<asio::const_buffer> Session::next_output() const {
  std::vector<asio::const_buffer> out;
  out.reserve(std::min(output_.size(), kMaxWritten));
  for (const std::string& line : output_) {
    if (out.size() == kMaxWritten) break;
    out.push_back(asio::buffer(line));
  }
  out.front() += written_;
  return out;
}

void Session::wrote(std::size_t count) {
  last_written_ = last_activity_ = Clock::now();
  written_ += count;
  while (!output_.empty() && written_ >= output_.front().size()) {
    written_ -= output_.front().size();
    output_bytes_ -= output_.front().size();
    output_.pop_front();
  }
  readable_.cancel();
  rearm_watchdog();
}

void Session::enqueue(std::string line) {
  if (state_ == State::closed) return;
  line += '\n';
  if (!output_.empty() && output_bytes_ + line.size() > options_.hard_output) {
    base::log::warn("ipc", "client disconnected: it does not read its answers",
                    {{"client", static_cast<std::uint64_t>(client_.id)}, {"unread", output_bytes_}});
    return close();
  }
  if (output_.empty()) last_written_ = Clock::now();
  output_bytes_ += line.size();
  output_.push_back(std::move(line));
  writable_.cancel();
  rearm_watchdog();
}

bool Session::notify(std::string_view method, const nlohmann::json& params) {
  if (state_ == State::closed || output_bytes_ > options_.soft_output) return false;
  enqueue(encode_notification(method, params));
  return true;
}

void Session::notify_last(std::string_view method, const nlohmann::json& params) {
  enqueue(encode_notification(method, params));
}

void Session::hold() { ++holds_; }

void Session::release() {
  --holds_;
  last_activity_ = Clock::now();
  rearm_watchdog();
}

// --- deadlines and the end

TimePoint Session::deadline() const {
  TimePoint out = base::kNever;
  if (!output_.empty()) out = std::min(out, last_written_ + options_.unread);
  if (state_ != State::open) return out;
  if (!input_.empty() && may_read()) out = std::min(out, line_started_ + options_.half_sent);
  if (input_.empty() && output_.empty() && outstanding_ == 0 && holds_ == 0) {
    out = std::min(out, last_activity_ + options_.idle);
  }
  return out;
}

asio::awaitable<void> Session::run_watchdog(std::shared_ptr<Session> self) {
  while (self->state_ != State::closed) {
    self->watchdog_at_ = self->deadline();
    self->watchdog_.expires_at(self->watchdog_at_);
    co_await self->watchdog_.async_wait(kAwait);
    const TimePoint now = Clock::now();
    if (self->state_ != State::closed && self->deadline() <= now) self->expire(now);
  }
}

void Session::expire(TimePoint now) {
  if (!output_.empty() && last_written_ + options_.unread <= now) {
    base::log::warn("ipc", "client disconnected: it does not read its answers",
                    {{"client", static_cast<std::uint64_t>(client_.id)}, {"unread", output_bytes_}});
    return close();
  }
  if (!input_.empty()) return reject({ErrorCode::timeout, "the rest of this request did not come in time"});
  close();
}

// The timer is only touched for an earlier deadline; a later one is found when it fires.
void Session::rearm_watchdog() {
  if (deadline() < watchdog_at_) watchdog_.cancel();
}

void Session::finish() {
  if (state_ != State::open) return;
  state_ = State::finishing;
  readable_.cancel();
  writable_.cancel();
  // Ends the reader's wait for input; the writer's operations go on.
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_receive, ignored);
}

void Session::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  readable_.cancel();
  writable_.cancel();
  watchdog_.cancel();
  if (const Taken taken = std::exchange(taken_, nullptr)) taken({}, {});
  for (const auto& gone : std::exchange(gone_, {})) gone();
}

}  // namespace p2pd::ipc
