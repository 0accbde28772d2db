// One client's connection: reads lines, runs their calls through the method table, writes answers and
// notifications. Private to ipc/. Shared by its three coroutines (reader, writer, watchdog), and held weakly
// by the Responders and subscriptions of its client, which may outlive it: hence shared_ptr. Server's thread.
//
//   open --(an upgrade's answer is written)--> handed over: the socket is another's
//   open --(end of input, a broken limit, stop)--> finishing --(nothing outstanding, all written)--> closed
//     +------------(write error, output over the hard limit, idle)------------------------------------^
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "ipc/codec.hpp"
#include "ipc/method_table.hpp"
#include "ipc/server.hpp"

namespace p2pd::ipc {

class Session final : public Outlet, public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  // `methods` and `options` outlive the session.
  Session(Socket socket, const MethodTable& methods, const ServerOptions& options, ClientInfo client);

  // Each ends after close(); the server spawns all three.
  static boost::asio::awaitable<void> run_reader(std::shared_ptr<Session> self);
  static boost::asio::awaitable<void> run_writer(std::shared_ptr<Session> self);
  static boost::asio::awaitable<void> run_watchdog(std::shared_ptr<Session> self);

  // Reads no more, answers what has started, then closes.
  void finish();
  void close();

  [[nodiscard]] bool notify(std::string_view method, const nlohmann::json& params) override;
  void notify_last(std::string_view method, const nlohmann::json& params) override;
  void hold() override;
  void release() override;
  void hand_over(Taken taken) override;
  void when_gone(std::function<void()> gone) override;

 private:
  enum class State { open, finishing, closed };
  // The answers of one batch, sent together.
  struct Batch {
    std::size_t waiting = 0;
    std::string answers;
  };
  enum class Received { something, nothing_yet, end };

  [[nodiscard]] bool may_read() const;
  [[nodiscard]] Received receive();
  void keep_descriptors(const void* message);
  // The lines that are there, until one has to wait.
  void handle_lines();
  void handle_line(std::string_view line, base::Descriptor descriptor);
  void start_call(Call call, std::shared_ptr<Batch> batch, base::Descriptor descriptor);
  void answered(const std::shared_ptr<Batch>& batch, std::string answer);
  // Why this call cannot make the connection a byte stream.
  [[nodiscard]] std::optional<ApiError> upgrade_problem(const Call& call, bool batch) const;
  [[nodiscard]] bool hung_up();
  void leave();
  void end_of_input();
  // One error about the connection, then finish().
  void reject(const ApiError& error);
  void reject_http();

  void enqueue(std::string line);
  [[nodiscard]] std::vector<boost::asio::const_buffer> next_output() const;
  void wrote(std::size_t count);
  [[nodiscard]] base::TimePoint deadline() const;
  void expire(base::TimePoint now);
  void rearm_watchdog();

  Socket socket_;
  const MethodTable& methods_;
  const ServerOptions& options_;
  const ClientInfo client_;
  State state_ = State::open;

  std::string input_;
  std::size_t searched_ = 0;  // input_ holds no newline before this offset
  bool first_line_ = true;
  base::Descriptor descriptor_;        // received, its line not complete yet
  std::size_t descriptor_offset_ = 0;  // of a byte of that line in input_
  base::TimePoint line_started_;
  base::TimePoint last_activity_;

  std::deque<std::string> output_;
  std::size_t output_bytes_ = 0;
  std::size_t written_ = 0;  // bytes of its front
  base::TimePoint last_written_;

  std::size_t outstanding_ = 0;
  std::size_t holds_ = 0;

  bool upgrading_ = false;  // the one call that is outstanding: nothing behind it is a request
  Taken taken_;
  std::vector<std::function<void()>> gone_;

  // Never expire by themselves: cancelled to wake the coroutine that waits.
  boost::asio::steady_timer readable_;
  boost::asio::steady_timer writable_;
  boost::asio::steady_timer watchdog_;
  base::TimePoint watchdog_at_ = base::kNever;
};

}  // namespace p2pd::ipc
