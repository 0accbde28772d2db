// A real relay on port 0 and real clients, all in one io_context and one thread: a test pumps the loop until
// what it waits for has happened. Nothing sleeps; a limit of 30 s only keeps a broken test from hanging.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/task_group.hpp"
#include "net/relay_error.hpp"
#include "net/relay_session.hpp"
#include "net/relay_transport.hpp"
#include "relay/server.hpp"

namespace p2pd::relay::test {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// What a session told, in order.
class Recorder final : public net::RelayEvents {
 public:
  struct Datagram {
    base::PeerId from;
    std::string text;
    bool operator==(const Datagram&) const = default;
  };
  struct Presence {
    base::PeerId peer;
    proto::RelayPresenceState state;
    bool operator==(const Presence&) const = default;
  };

  int online = 0;
  std::vector<std::string> offline;
  std::vector<Datagram> datagrams;
  std::vector<Datagram> knocks;
  std::vector<Presence> presence;

  void on_relay_online(net::RelaySession&) override { ++online; }
  void on_relay_offline(net::RelaySession&, const std::string& reason) override { offline.push_back(reason); }
  void on_relay_datagram(net::RelaySession&, const base::PeerId& sender, base::ByteView datagram) override {
    datagrams.push_back({sender, std::string(base::as_text(datagram))});
  }
  void on_relay_presence(net::RelaySession&, const base::PeerId& peer,
                         proto::RelayPresenceState state) override {
    presence.push_back({peer, state});
  }
  void on_relay_knock(net::RelaySession&, const base::PeerId& sender, base::ByteView payload) override {
    knocks.push_back({sender, std::string(base::as_text(payload))});
  }
};

// A daemon's side: identity, session, what it told.
struct Peer {
  std::shared_ptr<const net::Identity> identity;
  Recorder events;
  std::unique_ptr<net::RelaySession> session;

  [[nodiscard]] const base::PeerId& id() const { return identity->id(); }
  bool send(const base::PeerId& to, std::string_view text) { return session->send(to, base::as_bytes(text)); }
};

class RelayFixture : public ::testing::Test {
 protected:
  ~RelayFixture() override {
    for (const auto& peer : peers_) {
      if (peer->session) run(peer->session->stop());
    }
    if (server_) run(server_->drain());
  }

  // --- the loop ---
  [[nodiscard]] bool run_until(const std::function<bool()>& happened) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!happened()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      io_.restart();
      io_.run_one_for(milliseconds(50));
    }
    return true;
  }
  void run(asio::awaitable<void> task) {
    bool done = false;
    asio::co_spawn(io_, std::move(task), [&done](const std::exception_ptr& thrown) {
      done = true;
      if (thrown) std::rethrow_exception(thrown);
    });
    ASSERT_TRUE(run_until([&done] { return done; }));
  }
  template <class T>
  T run(asio::awaitable<T> task) {
    std::optional<T> result;
    run([](asio::awaitable<T> inner, std::optional<T>& into) -> asio::awaitable<void> {
      into.emplace(co_await std::move(inner));
    }(std::move(task), result));
    return std::move(*result);
  }

  // --- the relay ---
  [[nodiscard]] static ServerConfig local_config() {
    ServerConfig config;
    config.listen = {{asio::ip::address_v4::loopback(), 0}};
    config.limits.sweep = milliseconds(20);
    config.limits.drain = milliseconds(500);
    config.limits.farewell = milliseconds(200);
    return config;
  }
  void start_server(ServerConfig config) {
    server_ = std::make_unique<Server>(io_.get_executor(), std::move(config), relay_identity_);
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error().message();
  }
  void stop_server() {
    run(server_->drain());
    server_.reset();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->addresses().front().port(); }
  [[nodiscard]] net::RelayUrl url(std::string host = "127.0.0.1") const {
    return {false, std::move(host), port(), std::string(proto::kRelayPath)};
  }

  // --- clients ---
  [[nodiscard]] net::RelaySessionConfig session_config(net::RelayUrl to) const {
    net::RelaySessionConfig config;
    config.url = std::move(to);
    config.backoff_min = milliseconds(5);
    config.backoff_max = milliseconds(20);
    config.refused_backoff = milliseconds(20);
    return config;
  }
  Peer& add_peer(net::RelaySessionConfig config, std::shared_ptr<const net::Identity> identity = nullptr) {
    Peer& peer = *peers_.emplace_back(std::make_unique<Peer>());
    peer.identity = identity ? std::move(identity) : net::Identity::generate();
    config.identity = peer.identity;
    peer.session = std::make_unique<net::RelaySession>(io_.get_executor(), std::move(config), peer.events);
    peer.session->start();
    return peer;
  }
  // Connected when it returns.
  Peer& add_online_peer(std::shared_ptr<const net::Identity> identity = nullptr) {
    Peer& peer = add_peer(session_config(url()), std::move(identity));
    EXPECT_TRUE(run_until([&peer] { return peer.session->online(); }));
    return peer;
  }
  // A round trip through the relay and back to the same peer: all that the relay was sent before has been
  // handled when it returns.
  void settle(Peer& peer) {
    const std::size_t before = peer.events.datagrams.size();
    ASSERT_TRUE(peer.send(peer.id(), "settle"));
    ASSERT_TRUE(run_until([&] { return peer.events.datagrams.size() > before; }));
    peer.events.datagrams.pop_back();
  }

  // --- clients that do not keep the rules ---
  std::unique_ptr<net::RelayTransport> dial(net::RelayUrl to) {
    auto transport = run(net::RelayTransport::dial(std::move(to), nullptr, std::nullopt));
    EXPECT_TRUE(transport) << transport.error().message();
    return transport ? std::move(*transport) : nullptr;
  }
  template <class Frame>
  Frame expect_frame(net::RelayTransport& transport) {
    const auto message = run(transport.read());
    EXPECT_TRUE(message) << message.error().message();
    if (!message) return {};
    const auto frame = proto::parse_relay_frame(*message);
    EXPECT_TRUE(frame && std::holds_alternative<Frame>(*frame));
    if (!frame || !std::holds_alternative<Frame>(*frame)) return {};
    return std::get<Frame>(*frame);
  }
  // A hello as it should be; a test may spoil it.
  [[nodiscard]] static proto::RelayHello make_hello(const net::Identity& identity,
                                                    const proto::RelayChallenge& challenge,
                                                    std::string_view authority) {
    proto::RelayHello hello;
    hello.client = identity.id();
    hello.nonce.fill(7);
    hello.signature = identity.sign(proto::signed_bytes(hello, challenge, authority, proto::RelayExporter{}));
    return hello;
  }
  void write(net::RelayTransport& transport, base::Bytes frame) {
    const auto written = run(transport.write(frame));
    EXPECT_TRUE(written) << written.error().message();
  }
  // Authenticated, past welcome and limits, without any of RelaySession's manners.
  std::unique_ptr<net::RelayTransport> dial_authenticated(const net::Identity& identity) {
    auto transport = dial(url());
    if (!transport) return nullptr;
    const auto challenge = expect_frame<proto::RelayChallenge>(*transport);
    write(*transport, proto::encode(make_hello(identity, challenge, url().authority())));
    expect_frame<proto::RelayWelcome>(*transport);
    expect_frame<proto::RelayLimits>(*transport);
    return transport;
  }

  asio::io_context io_{1};
  std::shared_ptr<const net::Identity> relay_identity_ = net::Identity::generate();
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace p2pd::relay::test
