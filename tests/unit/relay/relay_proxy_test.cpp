// Relay sessions through proxies that refuse, lie or hang. Real proxies serve in
// tests/integration/test_privacy.py.
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "base/await.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using asio::ip::tcp;
using base::kAwait;
using net::ProxyUrl;
using ::testing::HasSubstr;

// Answers each piece of the client's talk, whose length is known, with the next one of a script.
class ScriptedProxy {
 public:
  struct Turn {
    std::size_t expect;  // bytes
    std::string answer;
  };

  ScriptedProxy(asio::any_io_executor executor, std::vector<Turn> turns)
      : acceptor_(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        turns_(std::move(turns)),
        tasks_(executor) {
    tasks_.spawn("scripted proxy", serve());
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  [[nodiscard]] const std::string& heard() const { return heard_; }
  [[nodiscard]] asio::awaitable<void> stop() {
    tasks_.cancel();
    co_await tasks_.join();
  }

 private:
  asio::awaitable<void> serve() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(kAwait);
      if (error) co_return;
      heard_.clear();
      for (const Turn& turn : turns_) {
        std::string piece(turn.expect, '\0');
        const auto [lost, size] = co_await asio::async_read(socket, asio::buffer(piece), kAwait);
        heard_ += piece;
        if (lost) break;
        co_await asio::async_write(socket, asio::buffer(turn.answer), kAwait);
      }
      socket.shutdown(tcp::socket::shutdown_send);
      char rest = 0;
      for (;;) {
        const auto [over, size] = co_await socket.async_read_some(asio::buffer(&rest, 1), kAwait);
        if (over) break;
      }
    }
  }

  tcp::acceptor acceptor_;
  std::vector<Turn> turns_;
  std::string heard_;
  base::TaskGroup tasks_;
};

class RelayProxy : public RelayFixture {
 protected:
  // The session's error with such a proxy between it and ws://relay.test.
  std::string error_with(ProxyUrl proxy, std::vector<ScriptedProxy::Turn> turns) {
    ScriptedProxy scripted(io_.get_executor(), std::move(turns));
    proxy.host = "127.0.0.1";
    proxy.port = scripted.port();
    auto config = session_config({false, "relay.test", 80, std::string(proto::kRelayPath)});
    config.proxy = proxy;
    Peer& alice = add_peer(config);
    EXPECT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
    std::string error = alice.session->last_error();
    run(alice.session->stop());
    heard_ = scripted.heard();
    run(scripted.stop());
    return error;
  }
  static ProxyUrl socks(std::string user = "") {
    return {ProxyUrl::Kind::socks5, "", 0, user, user.empty() ? "" : "secret"};
  }
  static ProxyUrl http(std::string user = "") {
    return {ProxyUrl::Kind::http, "", 0, user, user.empty() ? "" : "secret"};
  }

  std::string heard_;
};

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

const std::string kTaken = bytes({5, 0});
constexpr std::size_t kGreeting = 3;
constexpr std::size_t kNameRequest = 5 + 10 + 2;  // relay.test
constexpr std::size_t kHttpRequest =
    sizeof("CONNECT relay.test:80 HTTP/1.1\r\nHost: relay.test:80\r\n\r\n") - 1;

TEST_F(RelayProxy, IsAskedByNameSoThatNobodyResolvesIt) {
  EXPECT_THAT(error_with(socks(), {{kGreeting, kTaken}, {kNameRequest, bytes({5, 4, 0, 1, 0})}}),
              HasSubstr("cannot reach the host, or does not find its name"));
  EXPECT_EQ(heard_, bytes({5, 1, 0, 5, 1, 0, 3, 10}) + "relay.test" + bytes({0, 80}));
}

TEST_F(RelayProxy, EachRefusalOfSocksIsNamed) {
  const std::vector<std::pair<int, const char*>> replies{{1, "failed"},
                                                         {2, "does not permit it"},
                                                         {3, "cannot reach the network"},
                                                         {4, "does not find"},
                                                         {5, "was refused the connection"},
                                                         {6, "got no answer"},
                                                         {7, "cannot do that"},
                                                         {99, "unknown answer"}};
  for (const auto& [reply, words] : replies) {
    EXPECT_THAT(error_with(socks(), {{kGreeting, kTaken}, {kNameRequest, bytes({5, reply, 0, 1, 0})}}),
                HasSubstr(words));
  }
}

TEST_F(RelayProxy, SocksCredentialsAreGivenOnlyWhereAsked) {
  EXPECT_THAT(error_with(socks(), {{kGreeting, bytes({5, 255})}}), HasSubstr("wants another proof"));
  EXPECT_THAT(error_with(socks(), {{kGreeting, bytes({5, 2})}}), HasSubstr("wants another proof"));
  EXPECT_THAT(error_with(socks("user"), {{4, bytes({5, 2})}, {3 + 4 + 6, bytes({1, 1})}}),
              HasSubstr("does not accept the user name and password"));
  EXPECT_EQ(heard_, bytes({5, 2, 0, 2, 1, 4}) + "user" + bytes({6}) + "secret");
}

TEST_F(RelayProxy, WhatIsNoSocksProxyIsSaidSo) {
  EXPECT_THAT(error_with(socks(), {{kGreeting, "HTTP/1.1 400 Bad Request\r\n\r\n"}}),
              HasSubstr("does not speak SOCKS 5"));
  EXPECT_THAT(error_with(socks(), {{kGreeting, kTaken}, {kNameRequest, bytes({5, 0, 0, 9, 0})}}),
              HasSubstr("unknown answer"));
  EXPECT_THAT(error_with(socks(), {{kGreeting, ""}}), HasSubstr("closed the connection"));
}

TEST_F(RelayProxy, HttpIsAskedToConnectAndItsRefusalIsNamed) {
  EXPECT_THAT(error_with(http(), {{kHttpRequest, "HTTP/1.1 403 Forbidden\r\n\r\n"}}),
              HasSubstr("answers HTTP status 403"));
  EXPECT_EQ(heard_, "CONNECT relay.test:80 HTTP/1.1\r\nHost: relay.test:80\r\n\r\n");
  EXPECT_THAT(error_with(http(), {{kHttpRequest, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"}}),
              HasSubstr("wants a user name and password"));
  EXPECT_THAT(error_with(http(), {{kHttpRequest, "SSH-2.0-OpenSSH_9.2\r\n"}}),
              HasSubstr("does not speak HTTP"));
  EXPECT_THAT(error_with(http(), {{kHttpRequest, ""}}), HasSubstr("closed the connection"));
  EXPECT_THAT(
      error_with(http(), {{kHttpRequest, "HTTP/1.1 200 OK\r\nX: " + std::string(9'000, 'x') + "\r\n\r\n"}}),
      HasSubstr("does not speak HTTP"));
  EXPECT_THAT(error_with(http(), {{kHttpRequest, "HTTP/1.1 200 OK\r\n\r\nhello"}}),
              HasSubstr("sent more than its answer"));
}

TEST_F(RelayProxy, HttpCredentialsAreBasic) {
  const std::string authorization = "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n";  // user:secret
  EXPECT_THAT(error_with(http("user"), {{kHttpRequest + authorization.size(), "HTTP/1.1 407 No\r\n\r\n"}}),
              HasSubstr("does not accept the user name and password"));
  EXPECT_THAT(heard_, HasSubstr(authorization));
}

TEST_F(RelayProxy, OneThatIsNotThereIsNamed) {
  auto config = session_config({false, "relay.test", 80, std::string(proto::kRelayPath)});
  tcp::acceptor closed(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  config.proxy = socks();
  config.proxy->host = "127.0.0.1";
  config.proxy->port = closed.local_endpoint().port();
  closed.close();
  const Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("the proxy: cannot connect to 127.0.0.1"));
}

}  // namespace
}  // namespace p2pd::relay::test
