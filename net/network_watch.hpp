// Tells when the network under this machine changed: addresses, links, the routes to the outside, a wake from
// sleep. Bursts are waited out and what ends as it began is not told. Owned by the daemon's node, on its
// executor (control thread). How it ends: co_await stop(), then destruction; no call follows.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/clock.hpp"
#include "base/task_group.hpp"
#include "net/local_addresses.hpp"
#include "net/sleep_signal.hpp"

namespace p2pd::net {

class NetworkWatch {
 public:
  // `reason` for the log and for events: "addresses", "routes", "woke from sleep" or "was stopped". A wake is
  // told once, whether the clocks show it first or the system's own word comes (sleep_signal.hpp).
  using Changed = std::function<void(const std::string& reason)>;

  NetworkWatch(boost::asio::any_io_executor executor, Changed changed);

  // Where the system tells of no changes (see network_events.hpp) they are looked for every few seconds.
  void start();
  [[nodiscard]] boost::asio::awaitable<void> stop();

 private:
  struct Seen {
    std::vector<LocalAddress> addresses;  // without loopback
    std::vector<std::string> routes;
    bool operator==(const Seen&) const = default;
  };
  [[nodiscard]] static Seen look();

  [[nodiscard]] boost::asio::awaitable<void> watch_events();
  [[nodiscard]] boost::asio::awaitable<void> watch_clocks();
  void compare();
  void wake(const std::string& reason);

  Changed changed_;
  Seen seen_;
  SleepSignal sleep_;
  std::optional<base::TimePoint> woke_at_;  // as last told
  std::chrono::nanoseconds slept_{};        // in all, at that time
  base::TaskGroup tasks_;
};

}  // namespace p2pd::net
