// STUN Binding on UDP (RFC 8489 section 12): "from which address do you see me?". With two configured
// addresses that differ in IP and port it also listens on the two crossed ones and answers CHANGE-REQUEST and
// OTHER-ADDRESS (RFC 5780), so that clients can tell their NAT's behaviour, and always RESPONSE-PORT. No
// state, no authentication, at most three times the bytes of a request, a rate for each address. Owned by the
// server, its thread; its coroutines end with the task group they were started in.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/udp.hpp>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/task_group.hpp"
#include "net/stun.hpp"
#include "relay/metrics.hpp"
#include "relay/rate.hpp"

namespace p2pd::relay {

class StunServer {
 public:
  using Endpoint = boost::asio::ip::udp::endpoint;

  // `rate`: requests a second from one address.
  StunServer(boost::asio::any_io_executor executor, double rate, Metrics& metrics);

  [[nodiscard]] base::Result<> bind(const std::vector<Endpoint>& endpoints);
  void start(base::TaskGroup& tasks);
  // The configured ones, with the ports that the system chose.
  [[nodiscard]] const std::vector<Endpoint>& addresses() const { return addresses_; }

 private:
  struct Listener {
    boost::asio::ip::udp::socket socket;
    // Index of the listener with: the other address, the other port, both other. Only with two addresses.
    std::optional<std::array<std::size_t, 3>> others;
  };

  [[nodiscard]] base::Result<Endpoint> add(const Endpoint& endpoint);
  [[nodiscard]] base::Result<> add_crossed();
  [[nodiscard]] boost::asio::awaitable<void> serve(std::size_t index);
  void answer(std::size_t index, base::ByteView datagram, const Endpoint& from);

  boost::asio::any_io_executor executor_;
  Metrics& metrics_;
  BudgetTable<AddressPrefix, TokenBucket, AddressPrefixHash> budgets_;
  base::TimePoint purged_{};
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Endpoint> addresses_;
};

}  // namespace p2pd::relay
