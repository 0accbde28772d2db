// nc: standard input and output as the two directions of a stream.
#include <algorithm>
#include <array>
#include <cerrno>
#include <ostream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// A pipe that is writable takes so many bytes without blocking (POSIX PIPE_BUF on Linux).
constexpr std::size_t kPipePiece = 4'096;
constexpr std::size_t kPumpBuffer = 64 * 1024;

// One direction's bytes between two descriptors.
struct Buffer {
  std::array<char, kPumpBuffer> bytes;
  std::size_t at = 0;
  std::size_t end = 0;

  [[nodiscard]] bool empty() const { return at == end; }
};

class Pump {
 public:
  Pump(int in, int out, base::Descriptor socket, const std::string& early)
      : in_(in), out_(out), socket_(std::move(socket)) {
    std::copy_n(early.begin(), std::min(early.size(), kPumpBuffer), to_out_.bytes.begin());
    to_out_.end = std::min(early.size(), kPumpBuffer);
  }

  // Until both directions are over, or the daemon has closed the stream.
  void run() {
    while (step()) {
    }
  }

 private:
  static constexpr std::size_t kIn = 0;
  static constexpr std::size_t kOut = 1;
  static constexpr std::size_t kSocket = 2;

  // poll() looks past negative ones.
  bool step() {
    const bool socket_over = socket_ended_ && to_out_.empty();
    if (socket_over && (in_ended_ || gone_)) return false;
    const bool read_in = !in_ended_ && !gone_ && to_socket_.empty();
    const bool read_socket = !socket_ended_ && to_out_.empty();
    std::array<pollfd, 3> on{
        {{read_in ? in_ : -1, POLLIN, 0}, {to_out_.empty() ? -1 : out_, POLLOUT, 0}, {socket_.get(), 0, 0}}};
    if (read_socket) on[kSocket].events |= POLLIN;
    if (!to_socket_.empty()) on[kSocket].events |= POLLOUT;
    if (gone_) on[kSocket].fd = read_socket ? socket_.get() : -1;
    if (::poll(on.data(), on.size(), -1) < 0) return errno == EINTR;
    if (on[kIn].revents != 0) read_input();
    if (on[kOut].revents != 0 && !write_output()) return false;
    if ((on[kSocket].revents & POLLOUT) != 0) write_socket();
    if (read_socket && (on[kSocket].revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
    // Both directions are shut: by us and the other end, or all of it by the daemon.
    if ((on[kSocket].revents & (POLLHUP | POLLERR)) != 0) gone_ = true;
    return true;
  }

  void read_input() {
    const ssize_t count = ::read(in_, to_socket_.bytes.data(), kPumpBuffer);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    to_socket_.at = 0;
    to_socket_.end = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (count <= 0) end_input();
  }

  void end_input() {
    in_ended_ = true;
    ::shutdown(socket_.get(), SHUT_WR);
  }

  void write_socket() {
    const ssize_t count = ::send(socket_.get(), to_socket_.bytes.data() + to_socket_.at,
                                 to_socket_.end - to_socket_.at, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      to_socket_.at += static_cast<std::size_t>(count);
    } else if (errno != EAGAIN && errno != EINTR) {
      // Nobody reads it any more.
      to_socket_.at = to_socket_.end;
      end_input();
    }
  }

  void receive() {
    const ssize_t count = ::recv(socket_.get(), to_out_.bytes.data(), kPumpBuffer, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    to_out_.at = 0;
    to_out_.end = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    if (count > 0) return;
    socket_ended_ = true;
    // Whoever reads the output hears of its end now, though there may be more to say.
    ::shutdown(out_, SHUT_WR);
    const base::Descriptor nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (nothing) ::dup2(nothing.get(), out_);
  }

  bool write_output() {
    const ssize_t count =
        ::write(out_, to_out_.bytes.data() + to_out_.at, std::min(kPipePiece, to_out_.end - to_out_.at));
    if (count >= 0) to_out_.at += static_cast<std::size_t>(count);
    return count >= 0 || errno == EINTR || errno == EAGAIN;
  }

  const int in_;
  const int out_;
  const base::Descriptor socket_;
  Buffer to_socket_;
  Buffer to_out_;
  bool in_ended_ = false;
  bool socket_ended_ = false;
  bool gone_ = false;  // the daemon has closed it
};

Failure broken_stream(const std::string& reason, const std::string& peer) {
  const std::string name = escape_line(peer);
  if (reason == "peer_restarted") return {ExitCode::refused, name + " restarted: connect again"};
  if (reason == "not_permitted") {
    return {ExitCode::not_permitted, name + " does not permit this machine to use the service any more"};
  }
  if (reason == "reset") {
    return {ExitCode::refused, "the program at " + name + " ended the stream before all was said"};
  }
  if (reason == "cancelled") return {ExitCode::refused, "the stream was not read to its end here"};
  return {ExitCode::refused, "the stream to " + name + " broke: " + escape_line(reason)};
}

// How the stream ended is asked for: its bytes cannot say it.
CtlResult<ExitCode> stream_outcome(Context& context, const json& stream) {
  const CtlResult<JsonPtr> over =
      context.call_waiting("stream.wait", {{"stream", member(stream, "stream")}}, std::chrono::seconds(10));
  if (!over) return over.error();
  const std::string reason = field(**over, "reason");
  if (reason == "finished") return ExitCode::done;
  return broken_stream(reason, field(stream, "name"));
}

}  // namespace

CtlResult<ExitCode> run_nc(Context& context, const Arguments& arguments) {
  const base::Duration wait = context.timeout_or(std::chrono::seconds(10));
  const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  CtlResult<ipc::Client> client = context.connection();
  if (!client) return client.error();
  const json params = {{"peer", arguments.operand(0)},
                       {"service", arguments.operand(1)},
                       {"timeout_ms", std::max<std::int64_t>(wait_ms, 1)}};
  const auto opened =
      client->call("stream.open", params, base::Clock::now() + wait + std::chrono::seconds(5));
  if (!opened) return context.explain(opened.error());
  ipc::Client::Stream stream = std::move(*client).release();
  Pump(context.environment().in_descriptor, context.environment().out_descriptor, std::move(stream.socket),
       stream.early)
      .run();
  return stream_outcome(context, **opened);
}

}  // namespace p2pd::ctl
