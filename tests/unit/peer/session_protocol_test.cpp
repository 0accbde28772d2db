// What a session makes of a peer that breaks docs/protocol.md: it closes with protocol_error and lives on.
#include <array>
#include <chrono>

#include "base/log.hpp"
#include "tests/unit/peer/hostile_peer.hpp"

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

class SessionProtocol : public HostilePeer {
 protected:
  void SetUp() override {
    base::log::set_sink([](base::log::Level, std::string_view) {});
  }
  void TearDown() override { base::log::set_sink({}); }

  net::StreamId open(base::ByteView first) {
    const net::StreamId id = *quic->open_stream();
    quic->write(id, first);
    return id;
  }
  // The victim is fit for the next connection.
  void expect_usable_again() {
    quic.reset();
    closed.reset();
    received.clear();
    dial();
    hello();
    run();
    EXPECT_FALSE(closed);
    EXPECT_EQ(victim->status().state, PeerState::established);
  }
  void expect_protocol_error() {
    run();
    EXPECT_TRUE(closed_for(net::CloseCode::protocol_error));
    EXPECT_NE(victim->status().state, PeerState::established);
    EXPECT_NE(victim->status().last_error, "");
    expect_usable_again();
  }
};

TEST_F(SessionProtocol, TheArbiterSaysHelloAndKeep) {
  begin(true);
  dial();
  hello();
  run();
  proto::ControlDeframer deframer;
  deframer.feed(received[control]);
  const auto first = deframer.next();
  ASSERT_TRUE(first && *first);
  ASSERT_TRUE(std::holds_alternative<proto::ControlHello>(**first));
  EXPECT_FALSE(std::get<proto::ControlHello>(**first).direct_allowed);
  const auto second = deframer.next();
  ASSERT_TRUE(second && *second);
  EXPECT_TRUE(std::holds_alternative<proto::ControlKeep>(**second));
  EXPECT_EQ(opened.size(), 1U);  // its message stream
}

TEST_F(SessionProtocol, TheOtherOpensNothingBeforeKeep) {
  begin(false);
  dial();
  hello();
  run();
  EXPECT_TRUE(opened.empty());
  EXPECT_NE(victim->status().state, PeerState::established);
  say(proto::ControlKeep{});
  run();
  EXPECT_EQ(opened.size(), 1U);
  EXPECT_EQ(victim->status().state, PeerState::established);
}

TEST_F(SessionProtocol, AConnectionThatIsNeverKeptIsClosed) {
  begin(false);
  dial();
  hello();
  for (int i = 0; i < 12; ++i) run();
  EXPECT_TRUE(closed_for(net::CloseCode::superseded));
}

TEST_F(SessionProtocol, GarbageOnTheControlStreamClosesIt) {
  begin(true);
  dial();
  quic->write(control, base::Bytes(100, 0xff));
  expect_protocol_error();
}

TEST_F(SessionProtocol, AControlStreamWithoutHelloClosesIt) {
  begin(true);
  dial();
  say(proto::ControlPing{1});
  expect_protocol_error();
}

TEST_F(SessionProtocol, KeepFromTheWrongEndClosesIt) {
  begin(true);
  dial();
  hello();
  say(proto::ControlKeep{});
  expect_protocol_error();
}

TEST_F(SessionProtocol, AnotherProtocolVersionClosesIt) {
  begin(true);
  dial();
  proto::ControlHello message;
  message.version = 2;
  say(message);
  expect_protocol_error();
}

TEST_F(SessionProtocol, AnIceGenerationFarAheadClosesIt) {
  begin(true);
  dial();
  hello();
  say(proto::ControlIceCredentials{0xffff'ffff, "ufrag", std::string(22, 'p')});
  expect_protocol_error();
}

TEST_F(SessionProtocol, AFinishedControlStreamClosesIt) {
  begin(true);
  dial();
  hello();
  quic->finish(control);
  expect_protocol_error();
}

TEST_F(SessionProtocol, AResetControlStreamClosesIt) {
  begin(true);
  dial();
  hello();
  run();
  quic->reset(control, net::CloseCode::cancelled);
  expect_protocol_error();
}

TEST_F(SessionProtocol, ABrokenMessageFrameClosesIt) {
  begin(true);
  dial();
  hello();
  open(std::array<std::uint8_t, 6>{1, 0, 0, 0, 1, 99});
  expect_protocol_error();
}

TEST_F(SessionProtocol, AStreamOfAnUnknownKindIsRefusedAndNothingElse) {
  begin(true);
  dial();
  hello();
  const net::StreamId id = open(std::array<std::uint8_t, 3>{99, 1, 2});
  const net::StreamId empty = *quic->open_stream();
  quic->finish(empty);
  run();
  EXPECT_EQ(reset_codes.at(id), static_cast<std::uint64_t>(net::CloseCode::refused));
  EXPECT_FALSE(closed);
  EXPECT_EQ(victim->status().state, PeerState::established);
}

TEST_F(SessionProtocol, AStreamThatOvertakesTheHelloWaitsForIt) {
  begin(true);
  dial();
  open(std::array<std::uint8_t, 1>{1});
  run();
  EXPECT_TRUE(store.marks.empty());
  hello();
  run();
  ASSERT_EQ(store.marks.size(), 1U);
  EXPECT_EQ(store.asked_epoch, 3U);
}

TEST_F(SessionProtocol, StreamsBeforeTheirTimeMayNotFillTheMemory) {
  begin(true);
  dial();
  for (int i = 0; i < 64; ++i) open(base::Bytes(128 * 1024, 1));
  for (int i = 0; i < 10 && !closed; ++i) run();
  EXPECT_TRUE(closed_for(net::CloseCode::protocol_error));
}

TEST_F(SessionProtocol, ANewMessageStreamTakesThePlaceOfTheLast) {
  begin(true);
  dial();
  hello();
  const net::StreamId first = open(std::array<std::uint8_t, 1>{1});
  run();
  open(std::array<std::uint8_t, 1>{1});
  run();
  EXPECT_EQ(reset_codes.count(first), 1U);
  EXPECT_EQ(store.marks.size(), 2U);
  EXPECT_FALSE(closed);
}

TEST_F(SessionProtocol, PingsAreAnswered) {
  begin(true);
  dial();
  hello();
  say(proto::ControlPing{4711});
  run();
  proto::ControlDeframer deframer;
  deframer.feed(received[control]);
  bool answered = false;
  for (auto next = deframer.next(); next && *next; next = deframer.next()) {
    answered = answered || **next == proto::ControlMessage(proto::ControlPong{4711});
  }
  EXPECT_TRUE(answered);
}

TEST_F(SessionProtocol, RelayHintsAreTold) {
  begin(true);
  dial();
  hello();
  say(proto::ControlRelayHints{{"wss://relay.example:443"}});
  run();
  EXPECT_EQ(hints, std::vector<std::string>{"wss://relay.example:443"});
}

TEST_F(SessionProtocol, AnotherKeyThanThePeersGetsNothing) {
  begin(true);
  own_identity = net::Identity::generate();
  net::QuicConfig config;
  config.identity = own_identity;
  config.peer = victim_identity->id();
  net::QuicEvents& events = *this;
  quic = *net::QuicConnection::dial(config, events, time);
  run();
  EXPECT_TRUE(closed);
  EXPECT_EQ(victim->status().state, PeerState::idle);
}

TEST_F(SessionProtocol, DatagramsOfGarbageDoNothing) {
  begin(true);
  dial();
  hello();
  run();
  for (unsigned seed = 0; seed < 2'000; ++seed) {
    base::Bytes datagram(seed % 1'300);
    fill_random(datagram);
    victim->on_relay_datagram(datagram);
  }
  run();
  EXPECT_FALSE(closed);
  EXPECT_EQ(victim->status().state, PeerState::established);
}

}  // namespace
}  // namespace p2pd::peer
