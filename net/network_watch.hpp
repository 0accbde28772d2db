// Tells when the network under this machine changed: addresses, links, the routes to the outside, a wake from
// sleep. Bursts are waited out and what ends as it began is not told. Owned by the daemon's node, on its
// executor (control thread). How it ends: co_await stop(), then destruction; no call follows.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/task_group.hpp"
#include "net/local_addresses.hpp"

namespace p2pd::net {

class NetworkWatch {
 public:
  // `reason` for the log and for events: "addresses", "routes", "woke from sleep" or "was stopped".
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

  Changed changed_;
  Seen seen_;
  base::TaskGroup tasks_;
};

}  // namespace p2pd::net
