#include "relay/metrics_server.hpp"

#include <regex>
#include <set>
#include <sstream>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/await.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using asio::ip::tcp;
using ::testing::AllOf;
using ::testing::EndsWith;
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
      using base::kAwait;
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
  EXPECT_THAT(get("GET /healthz?verbose HTTP/1.1"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(get("HEAD /healthz HTTP/1.1"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
  EXPECT_THAT(get("GET /other HTTP/1.1"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(get("POST /metrics HTTP/1.1"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(RelayMetrics, IsUnhealthyWhileItDrains) {
  auto config = local_config();
  config.metrics = tcp::endpoint(asio::ip::address_v4::loopback(), 0);
  config.limits.drain = std::chrono::seconds(30);
  config.limits.farewell = std::chrono::seconds(30);
  start_server(std::move(config));
  const auto identity = net::Identity::generate();
  auto stays = dial_authenticated(*identity);  // does not answer the goodbye, so that draining goes on
  base::TaskGroup tasks(io_.get_executor());
  tasks.spawn("drain", server_->drain());
  ASSERT_TRUE(run_until([&] { return server_->metrics().draining; }));
  EXPECT_THAT(get("GET /healthz HTTP/1.1"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(get("GET /metrics HTTP/1.1"), HasSubstr("\np2p_relay_draining 1\n"));
  stays.reset();
  run(tasks.join());
  server_.reset();
}

// Exposition format 0.0.4: each metric a HELP and a TYPE line, then its samples, all together and once.
TEST_F(RelayMetrics, KeepsToTheExpositionFormat) {
  Metrics metrics;
  metrics.certificate_not_after = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  std::istringstream lines(metrics.text());
  const std::regex sample(R"(([a-z0-9_]+)(\{[a-z_]+="[^"\\]*"\})? [0-9]+)");
  std::set<std::string> seen;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::smatch parts;
    if (std::regex_match(line, parts, std::regex(R"(# HELP ([a-z0-9_]+) [^\\]+)"))) {
      family = parts[1];
      EXPECT_TRUE(seen.insert(family).second) << family << " comes twice";
      ASSERT_TRUE(std::getline(lines, line));
      EXPECT_THAT(line, ::testing::AnyOf("# TYPE " + family + " counter", "# TYPE " + family + " gauge"));
      EXPECT_EQ(family.ends_with("_total"), line.ends_with(" counter")) << line;
    } else {
      ASSERT_TRUE(std::regex_match(line, parts, sample)) << line;
      EXPECT_EQ(parts[1], family);
    }
  }
  EXPECT_GE(seen.size(), 18u);
  EXPECT_THAT(metrics.text(), EndsWith("\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("\np2p_relay_certificate_not_after_seconds 1700000000\n"));
}

TEST_F(RelayMetrics, ClosesOnARequestThatIsTooLong) {
  start_with_metrics();
  EXPECT_EQ(get("GET /" + std::string(5'000, 'a')), "");
}

}  // namespace
}  // namespace p2pd::relay::test
