#include "relay/metrics_server.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::testing {
namespace {

using asio::ip::tcp;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RelayMetrics : public RelayFixture {
 protected:
  void start_with_metrics() {
    auto config = local_config();
    config.metrics = tcp::endpoint(asio::ip::address_v4::loopback(), 0);
    start_server(std::move(config));
  }
  std::string get(const std::string& line) {
    tcp::socket socket(io_);
    socket.connect(*server_->metrics_address());
    return run([](tcp::socket connected, std::string request) -> asio::awaitable<std::string> {
      constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
      co_await asio::async_write(connected, asio::buffer(request), kAwait);
      std::string answer;
      co_await asio::async_read(connected, asio::dynamic_buffer(answer), kAwait);
      co_return answer;
    }(std::move(socket), line + "\r\nHost: x\r\n\r\n"));
  }
};

TEST_F(RelayMetrics, CountsClientsAndPackets) {
  start_with_metrics();
  Peer& alice = add_online_peer();
  settle(alice);
  EXPECT_THAT(get("GET /metrics HTTP/1.1"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\np2p_relay_clients 1\n"),
                    HasSubstr("\n# TYPE p2p_relay_forwarded_packets_total counter\n"),
                    HasSubstr("\np2p_relay_forwarded_packets_total 1\n"),
                    HasSubstr("\np2p_relay_refused_total{reason=\"http\"} 0\n")));
}

TEST_F(RelayMetrics, IsHealthyWhileItServes) {
  start_with_metrics();
  EXPECT_THAT(get("GET /healthz HTTP/1.1"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("GET /other HTTP/1.1"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("POST /metrics HTTP/1.1"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(RelayMetrics, ClosesOnARequestThatIsTooLong) {
  start_with_metrics();
  EXPECT_EQ(get("GET /" + std::string(5'000, 'a')), "");
}

}  // namespace
}  // namespace p2pd::relay::testing
