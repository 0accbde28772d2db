// What a session lives through: relays that die, come back, go silent, are not there, are no relays, and a
// stop() at every moment.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "base/await.hpp"
#include "tests/unit/relay/relay_fixture.hpp"
#include "tests/unit/relay/tcp_proxy.hpp"

namespace p2pd::relay::test {
namespace {

using asio::ip::tcp;
using net::RelaySessionState;
using ::testing::HasSubstr;

class RelayReconnect : public RelayFixture {
 protected:
  // A port that refuses: it was free a moment ago.
  net::RelayUrl dead_url() {
    const tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    return {false, "127.0.0.1", acceptor.local_endpoint().port(), std::string(proto::kRelayPath)};
  }
  ServerConfig config_on(std::uint16_t fixed_port) {
    auto config = local_config();
    config.listen.front().port(fixed_port);
    return config;
  }
};

TEST_F(RelayReconnect, ComesBackByItselfWhenTheRelayDoes) {
  start_server(local_config());
  const std::uint16_t same = port();
  Peer& alice = add_online_peer();
  stop_server();
  ASSERT_TRUE(run_until([&] { return alice.events.offline.size() == 1; }));
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 3; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("Connection refused"));
  start_server(config_on(same));
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  EXPECT_EQ(alice.events.online, 2);
  EXPECT_EQ(alice.session->last_error(), "");
}

TEST_F(RelayReconnect, TellsItsInterestToTheNewSession) {
  start_server(local_config());
  const std::uint16_t same = port();
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  alice.session->set_interest({bob.id()});
  bob.session->set_interest({alice.id()});
  ASSERT_TRUE(run_until([&] { return alice.events.presence.size() == 1; }));
  stop_server();
  start_server(config_on(same));
  ASSERT_TRUE(run_until([&] {
    return !alice.events.presence.empty() && alice.session->online() && bob.session->online() &&
           alice.events.presence.size() >= 2 &&
           alice.events.presence.back().state == proto::RelayPresenceState::here;
  }));
}

TEST_F(RelayReconnect, NoticesARelayBehindADeadPathAndComesBackWhenItHeals) {
  start_server(local_config());
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = session_config(url());
  config.url.port = proxy.port();
  config.keepalive = milliseconds(20);
  config.connect_timeout = milliseconds(200);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online() && alice.session->rtt(); }));
  proxy.black_hole();
  ASSERT_TRUE(run_until([&] { return !alice.events.offline.empty(); }));
  EXPECT_THAT(alice.events.offline.front(), HasSubstr("does not answer any more"));
  EXPECT_FALSE(alice.session->rtt().has_value());
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("no answer in time"));
  proxy.heal();
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  run(alice.session->stop());
  run(proxy.stop());
}

TEST_F(RelayReconnect, TheRelayEndsAClientBehindADeadPath) {
  auto server_config = local_config();
  server_config.limits.ping_after = milliseconds(50);
  server_config.limits.silent = milliseconds(150);
  start_server(std::move(server_config));
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = session_config(url());
  config.url.port = proxy.port();
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  proxy.black_hole();
  ASSERT_TRUE(run_until([&] { return server_->metrics().ended_silent == 1; }));
  ASSERT_TRUE(run_until([&] { return server_->metrics().clients == 0; }));
  run(alice.session->stop());
  run(proxy.stop());
}

TEST_F(RelayReconnect, KeepsAnIdleClientThatAnswersPings) {
  auto server_config = local_config();
  server_config.limits.ping_after = milliseconds(30);
  server_config.limits.silent = milliseconds(2'000);
  start_server(std::move(server_config));
  auto config = session_config(url());
  config.keepalive = std::chrono::hours(1);  // only the relay pings
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  asio::steady_timer later(io_, milliseconds(2'500));
  bool over = false;
  later.async_wait([&over](const boost::system::error_code&) { over = true; });
  ASSERT_TRUE(run_until([&] { return over; }));
  EXPECT_TRUE(alice.session->online());
  EXPECT_EQ(server_->metrics().ended_silent, 0u);
}

TEST_F(RelayReconnect, NamesARefusedConnection) {
  const Peer& alice = add_peer(session_config(dead_url()));
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("cannot connect to 127.0.0.1 port"));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("Connection refused"));
  EXPECT_EQ(alice.events.online, 0);
  EXPECT_TRUE(alice.events.offline.empty());
}

TEST_F(RelayReconnect, NamesAHostThatDoesNotExist) {
  auto config = session_config(dead_url());
  config.url.host = "relay.invalid";  // RFC 6761 6.4
  const Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("relay.invalid"));
}

TEST_F(RelayReconnect, FindsARelayThatListensOnOneFamilyOnly) {
  start_server(local_config());  // 127.0.0.1, while localhost may come first as ::1
  const Peer& alice = add_peer(session_config(url("localhost")));
  EXPECT_TRUE(run_until([&] { return alice.session->online(); }));
}

TEST_F(RelayReconnect, NamesAnHttpServerThatIsNoRelay) {
  start_server(local_config());
  auto config = session_config(url());
  config.url.path = "/elsewhere";
  const Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("HTTP status 404"));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("not a p2p-relay"));
}

TEST_F(RelayReconnect, NamesAServerOfAnotherProtocol) {
  tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  base::TaskGroup tasks(io_.get_executor());
  tasks.spawn("ssh server", [](tcp::acceptor& on) -> asio::awaitable<void> {
    using base::kAwait;
    for (;;) {
      auto [error, socket] = co_await on.async_accept(kAwait);
      if (error) co_return;
      co_await asio::async_write(socket, asio::buffer("SSH-2.0-OpenSSH_9.2\r\n\r\n", 23), kAwait);
    }
  }(acceptor));
  auto config = session_config({false, "127.0.0.1", acceptor.local_endpoint().port(), "/p2pd/v1"});
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_NE(alice.session->last_error(), "");
  run(alice.session->stop());
  tasks.cancel();
  run(tasks.join());
}

TEST_F(RelayReconnect, RefusesARelayWithAnotherKeyThanThePinnedOne) {
  start_server(local_config());
  auto config = session_config(url());
  config.relay_key = net::Identity::generate()->id();
  const Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->stats().failures >= 1; }));
  EXPECT_THAT(alice.session->last_error(), HasSubstr("its key is " + relay_identity_->id().text()));
  EXPECT_EQ(alice.events.online, 0);
}

TEST_F(RelayReconnect, RetriesAtOnceWhenAsked) {
  start_server(local_config());
  const std::uint16_t same = port();
  auto config = session_config(url());
  config.backoff_min = std::chrono::hours(1);
  config.backoff_max = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  stop_server();
  ASSERT_TRUE(run_until([&] { return alice.session->state() == RelaySessionState::backing_off; }));
  start_server(config_on(same));
  alice.session->retry_now();
  EXPECT_TRUE(run_until([&] { return alice.session->online(); }));
}

TEST_F(RelayReconnect, FlushesWhatWasQueuedWhenItStops) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(alice.send(bob.id(), "goodbye"));
  run(alice.session->stop());
  EXPECT_TRUE(run_until([&] { return bob.events.datagrams.size() == 100; }));
  EXPECT_TRUE(alice.events.offline.empty()) << "no event follows the call to stop()";
}

// --- the network changed ---

TEST_F(RelayReconnect, ADeadPathIsNoticedAtOnceWhenTheNetworkChanged) {
  start_server(local_config());
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = session_config(url());
  config.url.port = proxy.port();
  config.keepalive = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online() && alice.session->rtt(); }));
  proxy.black_hole();
  alice.session->network_changed();
  ASSERT_TRUE(run_until([&] { return !alice.events.offline.empty(); }));
  EXPECT_THAT(alice.events.offline.front(), HasSubstr("no answer after the network changed"));
  run(alice.session->stop());
  run(proxy.stop());
}

TEST_F(RelayReconnect, ASessionThatAnswersOutlivesAChangeOfTheNetwork) {
  start_server(local_config());
  auto config = session_config(url());
  config.keepalive = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online() && alice.session->rtt(); }));
  asio::steady_timer later(io_, milliseconds(1'500));  // longer than the second it has to answer in
  bool over = false;
  later.async_wait([&over](const boost::system::error_code&) { over = true; });
  alice.session->network_changed();
  alice.session->network_changed();
  ASSERT_TRUE(run_until([&] { return over; }));
  EXPECT_TRUE(alice.session->online());
  EXPECT_TRUE(alice.events.offline.empty());
}

TEST_F(RelayReconnect, DialsAnewWhenTheNetworkChanged) {
  tcp::acceptor mute(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::vector<tcp::socket> accepted;
  base::TaskGroup tasks(io_.get_executor());
  tasks.spawn("mute server", [](tcp::acceptor& on, std::vector<tcp::socket>& all) -> asio::awaitable<void> {
    for (;;) {
      auto [error, socket] = co_await on.async_accept(asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
      all.push_back(std::move(socket));
    }
  }(mute, accepted));
  auto config = session_config({false, "127.0.0.1", mute.local_endpoint().port(), "/p2pd/v1"});
  config.connect_timeout = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return accepted.size() == 1; }));
  alice.session->network_changed();
  EXPECT_TRUE(run_until([&] { return accepted.size() == 2; }));
  run(alice.session->stop());
  tasks.cancel();
  run(tasks.join());
}

TEST_F(RelayReconnect, DialsAtOnceInsteadOfBackingOffWhenTheNetworkChanged) {
  auto config = session_config(dead_url());
  config.backoff_min = std::chrono::hours(1);
  config.backoff_max = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->state() == RelaySessionState::backing_off; }));
  alice.session->network_changed();
  EXPECT_TRUE(run_until([&] { return alice.session->stats().failures == 2; }));
}

// --- stop() at every moment ---

TEST_F(RelayReconnect, StopsBeforeItWasStarted) {
  Peer peer;
  peer.identity = net::Identity::generate();
  auto config = session_config(dead_url());
  config.identity = peer.identity;
  peer.session = std::make_unique<net::RelaySession>(io_.get_executor(), config, peer.events);
  run(peer.session->stop());
  EXPECT_EQ(peer.session->state(), RelaySessionState::stopped);
}

TEST_F(RelayReconnect, StopsWhileANameIsResolved) {
  auto config = session_config(dead_url());
  config.url.host = "relay.invalid";
  Peer& alice = add_peer(config);
  io_.poll_one();
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), RelaySessionState::stopped);
}

TEST_F(RelayReconnect, StopsWhileItConnects) {
  // The backlog of a socket nobody accepts from takes the connection; the upgrade is never answered.
  tcp::acceptor mute(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  Peer& alice = add_peer(session_config({false, "127.0.0.1", mute.local_endpoint().port(), "/p2pd/v1"}));
  for (int i = 0; i < 20; ++i) io_.poll_one();
  EXPECT_EQ(alice.session->state(), RelaySessionState::connecting);
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), RelaySessionState::stopped);
}

TEST_F(RelayReconnect, StopsWhileItAuthenticates) {
  start_server(local_config());
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = session_config(url());
  config.url.port = proxy.port();
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->state() == RelaySessionState::authenticating; }));
  proxy.black_hole();
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), RelaySessionState::stopped);
  run(proxy.stop());
}

TEST_F(RelayReconnect, StopsWhileItIsOnlineWithAFullQueueAndADeadPath) {
  start_server(local_config());
  TcpProxy proxy(io_.get_executor(), server_->addresses().front());
  auto config = session_config(url());
  config.url.port = proxy.port();
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->online(); }));
  proxy.black_hole();
  const std::string big(16'000, 'x');
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(alice.send(alice.id(), big));
  EXPECT_GT(alice.session->stats().dropped, 0u);
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), RelaySessionState::stopped);
  EXPECT_FALSE(alice.send(alice.id(), "too late"));
  run(proxy.stop());
}

TEST_F(RelayReconnect, StopsWhileItBacksOff) {
  auto config = session_config(dead_url());
  config.backoff_min = std::chrono::hours(1);
  config.backoff_max = std::chrono::hours(1);
  Peer& alice = add_peer(config);
  ASSERT_TRUE(run_until([&] { return alice.session->state() == RelaySessionState::backing_off; }));
  run(alice.session->stop());
  EXPECT_EQ(alice.session->state(), RelaySessionState::stopped);
}

}  // namespace
}  // namespace p2pd::relay::test
