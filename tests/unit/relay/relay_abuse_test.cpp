// Clients that break the rules: each loses its own session and nobody else's.
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "base/await.hpp"
#include "base/descriptor.hpp"
#include "base/random.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using asio::ip::tcp;
using base::kAwait;
using proto::RelayGoodbyeCode;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RelayAbuse : public RelayFixture {
 protected:
  tcp::socket connect() {
    tcp::socket socket(io_);
    socket.connect(server_->addresses().front());
    return socket;
  }
  // Writes `request` and reads until the relay closes.
  std::string exchange(std::string request) {
    return run([](tcp::socket socket, std::string out) -> asio::awaitable<std::string> {
      co_await asio::async_write(socket, asio::buffer(out), kAwait);
      std::string answer;
      co_await asio::async_read(socket, asio::dynamic_buffer(answer), kAwait);
      co_return answer;
    }(connect(), std::move(request)));
  }
  // Upgrades to WebSocket, then writes `frames` and reads until the relay closes.
  std::string exchange_upgraded(std::string frames) {
    return run([](tcp::socket socket, std::string request, std::string out) -> asio::awaitable<std::string> {
      co_await asio::async_write(socket, asio::buffer(request), kAwait);
      std::string answer;
      co_await asio::async_read_until(socket, asio::dynamic_buffer(answer), "\r\n\r\n", kAwait);
      co_await asio::async_write(socket, asio::buffer(out), kAwait);
      co_await asio::async_read(socket, asio::dynamic_buffer(answer), kAwait);
      co_return answer;
    }(connect(), upgrade_request(), std::move(frames)));
  }
  // A WebSocket frame of a client with a mask of zeros: the payload stays as it is.
  static std::string websocket_frame(std::uint8_t first, std::uint64_t announced, std::string_view payload) {
    std::string out{static_cast<char>(first), static_cast<char>(0x80 | 127)};
    for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(announced >> shift));
    out.append(4, '\0');
    return out.append(payload);
  }
  static std::string upgrade_request() {
    return "GET /p2pd/v1 HTTP/1.1\r\nHost: x:80\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: p2pd.relay.1\r\n"
           "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
  }
};

TEST_F(RelayAbuse, AnswersABrowserWithAPage) {
  start_server(local_config());
  EXPECT_THAT(exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(exchange("GET /p2pd/v1 HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 426 "));
  EXPECT_THAT(exchange("GET /other HTTP/1.1\r\nHost: x\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(exchange("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(exchange("\x16\x03\x01\x02\x00garbage\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_http == 5; }));
  add_online_peer();
}

TEST_F(RelayAbuse, NeverAgreesToCompression) {
  auto config = local_config();
  config.limits.authentication = milliseconds(100);
  start_server(std::move(config));
  const std::string answer = exchange(upgrade_request());
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(answer.find("permessage-deflate"), std::string::npos);
}

TEST_F(RelayAbuse, EndsAConnectionThatSaysNothing) {
  auto config = local_config();
  config.limits.authentication = milliseconds(50);
  start_server(std::move(config));
  EXPECT_EQ(exchange(""), "");
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_timeout == 1; }));
}

TEST_F(RelayAbuse, EndsAClientThatDoesNotAnswerTheChallenge) {
  auto config = local_config();
  config.limits.authentication = milliseconds(50);
  start_server(std::move(config));
  const auto transport = dial(url());
  expect_frame<proto::RelayChallenge>(*transport);
  EXPECT_FALSE(run(transport->read()));
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_timeout == 1; }));
}

TEST_F(RelayAbuse, ReadsNoMoreThanFourKibibytesOfAStranger) {
  start_server(local_config());
  exchange("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(8'000, 'a') + "\r\n\r\n");
  EXPECT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 0; }));

  const auto transport = dial(url());
  expect_frame<proto::RelayChallenge>(*transport);
  const base::Bytes large(5'000, 0x02);
  run(transport->write(large));
  EXPECT_FALSE(run(transport->read()));
  EXPECT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 0; }));
  EXPECT_EQ(server_->metrics().sessions, 0u);
  add_online_peer();
}

TEST_F(RelayAbuse, RefusesAnotherFrameThanAHelloAtFirst) {
  start_server(local_config());
  const auto transport = dial(url());
  expect_frame<proto::RelayChallenge>(*transport);
  write(*transport, proto::encode(proto::RelayPing{}));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::protocol_error);
}

TEST_F(RelayAbuse, SaysWhichVersionItSpeaksToAHelloOfAnother) {
  start_server(local_config());
  const auto transport = dial(url());
  expect_frame<proto::RelayChallenge>(*transport);
  write(*transport, base::Bytes{0x02, 0x02, 1, 2, 3});
  const auto goodbye = expect_frame<proto::RelayGoodbye>(*transport);
  EXPECT_EQ(goodbye.code, RelayGoodbyeCode::protocol_error);
  EXPECT_THAT(goodbye.text, HasSubstr("version 1"));
}

TEST_F(RelayAbuse, EndsOnlyTheSessionThatSendsGarbageOrHalfFrames) {
  start_server(local_config());
  Peer& bystander = add_online_peer();
  const auto identity = net::Identity::generate();
  const base::Bytes whole = proto::encode(proto::RelaySend{bystander.id(), base::as_bytes("x")});
  const std::vector<base::Bytes> bad = {
      {},                                                   // empty
      {0xee},                                               // unknown type
      {0x10},                                               // no destination
      base::Bytes(whole.begin(), whole.end() - 1),          // no payload
      {0x12, 9},                                            // unknown operation
      {0x12, 1, 1, 2, 3},                                   // half an ID
      {0x16, 1, 2, 3},                                      // short ping
      base::Bytes(33 + proto::kRelayMaxPayload + 1, 0x10),  // over the payload limit
  };
  for (const base::Bytes& frame : bad) {
    const auto transport = dial_authenticated(*identity);
    write(*transport, frame);
    EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::protocol_error);
    EXPECT_FALSE(run(transport->read()));
  }
  settle(bystander);
  EXPECT_TRUE(bystander.session->online());
  EXPECT_TRUE(run_until([&] { return server_->metrics().clients == 1; }));
}

TEST_F(RelayAbuse, EndsASessionWithRandomFrames) {
  start_server(local_config());
  Peer& bystander = add_online_peer();
  for (int i = 0; i < 50; ++i) {
    const auto identity = net::Identity::generate();
    const auto transport = dial_authenticated(*identity);
    base::Bytes frame(1 + base::random_u64() % 200);
    base::fill_random(frame);
    write(*transport, frame);
  }
  settle(bystander);
  EXPECT_TRUE(bystander.session->online());
}

TEST_F(RelayAbuse, RefusesAnOversizedFrameByItsAnnouncedLength) {
  auto config = local_config();
  config.limits.authentication = milliseconds(2'000);
  start_server(std::move(config));
  // A binary frame of 1 GiB is announced before authentication, and nothing of it sent.
  exchange_upgraded(websocket_frame(0x82, 1u << 30, ""));
  EXPECT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 0; }));
  EXPECT_EQ(server_->metrics().refused_timeout, 0u);

  const auto identity = net::Identity::generate();
  const auto transport = dial_authenticated(*identity);
  const base::Bytes large(proto::kRelayMaxFrame + 1, 0x10);
  run(transport->write(large));
  EXPECT_FALSE(run(transport->read()));
  EXPECT_TRUE(run_until([&] { return server_->metrics().ended_protocol == 1; }));
}

TEST_F(RelayAbuse, RefusesFramesSentBeforeTheUpgradeIsAnswered) {
  start_server(local_config());
  EXPECT_THAT(exchange(upgrade_request() + websocket_frame(0x82, 1, "x")), StartsWith("HTTP/1.1 400 "));
}

TEST_F(RelayAbuse, RefusesTextMessages) {
  auto config = local_config();
  config.limits.authentication = milliseconds(2'000);
  start_server(std::move(config));
  exchange_upgraded(websocket_frame(0x81, 5, "hello"));
  EXPECT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 0; }));
  EXPECT_EQ(server_->metrics().refused_timeout, 0u);
}

TEST_F(RelayAbuse, RefusesASecondHello) {
  start_server(local_config());
  const auto identity = net::Identity::generate();
  const auto transport = dial_authenticated(*identity);
  proto::RelayHello hello;
  hello.client = identity->id();
  write(*transport, proto::encode(hello));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::protocol_error);
}

TEST_F(RelayAbuse, EndsAFloodOfControlFrames) {
  auto config = local_config();
  config.limits.rate_control = 1;
  config.limits.burst_control = 10;
  start_server(std::move(config));
  const auto identity = net::Identity::generate();
  const auto transport = dial_authenticated(*identity);
  for (int i = 0; i < 12; ++i) {
    const base::Bytes ping = proto::encode(proto::RelayPing{});
    run(transport->write(ping));
  }
  std::optional<RelayGoodbyeCode> goodbye;
  for (int i = 0; i < 12 && !goodbye; ++i) {
    const auto message = run(transport->read());
    if (!message) break;
    const auto frame = proto::parse_relay_frame(*message);
    ASSERT_TRUE(frame);
    if (const auto* said = std::get_if<proto::RelayGoodbye>(&*frame)) goodbye = said->code;
  }
  EXPECT_EQ(goodbye, RelayGoodbyeCode::limit);
}

TEST_F(RelayAbuse, DropsTheOldestForAClientThatDoesNotReadAndThenEndsIt) {
  auto config = local_config();
  config.limits.queue_packets = 8;
  config.limits.slow_consumer = milliseconds(300);
  start_server(std::move(config));
  const auto sleeper = net::Identity::generate();
  const auto transport = dial_authenticated(*sleeper);
  Peer& alice = add_online_peer();
  Peer& bystander = add_online_peer();
  const std::string big(16'000, 'x');
  // TCP's own buffers take some megabytes before anything is dropped.
  ASSERT_TRUE(run_until([&] {
    alice.send(sleeper->id(), big);
    return server_->metrics().dropped_queue > 0;
  }));
  settle(bystander);
  ASSERT_TRUE(run_until([&] { return server_->metrics().ended_slow == 1; }));
  ASSERT_TRUE(run_until([&] { return server_->metrics().clients == 2; }));
  EXPECT_TRUE(alice.session->online());
  EXPECT_TRUE(bystander.session->online());
}

TEST_F(RelayAbuse, DropsConnectionsEarlyWhenTooManyStandUnauthenticated) {
  auto config = local_config();
  config.limits.startups = {.start = 2, .rate = 100, .full = 4};
  start_server(std::move(config));
  const tcp::socket first = connect();
  const tcp::socket second = connect();
  ASSERT_TRUE(run_until([&] { return server_->metrics().unauthenticated == 2; }));
  EXPECT_EQ(exchange(""), "");
  EXPECT_EQ(server_->metrics().refused_early, 1u);
}

TEST_F(RelayAbuse, WaitsWithoutSpinningWhileThereAreNoDescriptors) {
  start_server(local_config());
  tcp::socket client(io_, tcp::v4());
  client.non_blocking(true);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(client.native_handle()) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<base::Descriptor> fillers;  // the gaps below the limit
  for (int fd = ::dup(client.native_handle()); fd >= 0; fd = ::dup(client.native_handle())) {
    fillers.emplace_back(fd);
  }
  boost::system::error_code in_progress;
  client.connect(server_->addresses().front(), in_progress);
  std::size_t handlers = 0;
  const auto until = std::chrono::steady_clock::now() + milliseconds(350);
  while (std::chrono::steady_clock::now() < until) {
    io_.restart();
    handlers += io_.run_one_for(milliseconds(20));
  }
  EXPECT_EQ(server_->metrics().accepted, 0u);
  EXPECT_LT(handlers, 200u);
  fillers.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(run_until([&] { return server_->metrics().accepted == 1; }));
}

TEST_F(RelayAbuse, LimitsHandshakesFromOneAddress) {
  auto config = local_config();
  config.limits.rate_handshakes = 0.1;  // one at once
  start_server(std::move(config));
  add_online_peer();
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\n\r\n"), "");
  EXPECT_EQ(server_->metrics().refused_rate, 1u);
}

}  // namespace
}  // namespace p2pd::relay::test
