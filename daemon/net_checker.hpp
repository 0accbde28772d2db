// The network check as the API offers it: one at a time, whoever asks meanwhile gets the same result, and one
// that is young enough is given at once. Without permission for direct paths not one packet is sent: a check
// under way is broken off. Control thread; owned by the Node. How it ends: its coroutine ends with the task
// group; who still waits then is not called.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/task_group.hpp"
#include "daemon/options.hpp"
#include "net/net_check.hpp"
#include "net/turn_check.hpp"

namespace p2pd::daemon {

struct NetCheckResult {
  base::WallTime at{};  // when it was done
  base::TimePoint done{};
  base::Duration took{};
  bool direct = true;      // false: nothing was sent and nothing is known
  bool any_server = true;  // a STUN server was known to ask
  net::NetFindings findings;
  std::vector<net::TurnServerReport> turn;

  [[nodiscard]] proto::NetReport report() const { return {direct, findings.ipv4, findings.ipv6}; }
};

class NetChecker {
 public:
  using ResultPtr = std::shared_ptr<const NetCheckResult>;
  using Done = std::function<void(const ResultPtr&)>;

  // `options` are those in force, whenever they are asked for. All outlive the checker.
  NetChecker(boost::asio::io_context& io, base::TaskGroup& tasks, std::function<const Options&()> options);

  // `done` runs later on the control thread. A result that is at most `max_age` old is taken as it is.
  void check(base::Duration max_age, Done done);
  // The configuration or the network is another one: what is known is forgotten, and a check under way begins
  // anew.
  void changed();
  // Of the last check; null before the first one.
  [[nodiscard]] const ResultPtr& last() const { return last_; }
  // Runs after each check, after those who asked for it.
  void on_checked(Done checked) { checked_ = std::move(checked); }

 private:
  [[nodiscard]] boost::asio::awaitable<void> run();
  [[nodiscard]] boost::asio::awaitable<NetCheckResult> check_once();
  [[nodiscard]] boost::asio::awaitable<std::vector<net::TurnServerReport>> check_turn();
  void finish(NetCheckResult result);

  boost::asio::io_context& io_;
  base::TaskGroup& tasks_;
  std::function<const Options&()> options_;
  boost::asio::steady_timer broken_off_;  // never expires; cancelled by changed()
  bool running_ = false;
  bool again_ = false;
  std::vector<Done> waiting_;
  ResultPtr last_;
  Done checked_;
};

}  // namespace p2pd::daemon
