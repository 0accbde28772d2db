// A peer with the right key and bad manners: a bare QUIC connection that says whatever the test wants to one
// real peer::Peer.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "peer/peer.hpp"
#include "proto/control_messages.hpp"
#include "proto/datagram.hpp"
#include "tests/unit/peer/message_fixture.hpp"

namespace p2pd::peer {

class HostilePeer : public testing::Test,
                    protected PeerHost,
                    protected RelayPort,
                    protected PeerObserver,
                    protected net::QuicEvents {
 protected:
  // Whether the victim is the arbiter of the pair.
  void begin(bool victim_arbitrates) {
    auto low = net::Identity::generate();
    auto high = net::Identity::generate();
    if (high->id() < low->id()) std::swap(low, high);
    victim_identity = victim_arbitrates ? low : high;
    own_identity = victim_arbitrates ? high : low;
    PeerConfig config;
    config.identity = victim_identity;
    config.peer = own_identity->id();
    config.instance = 1;
    config.message_epoch = 2;
    config.direct_allowed = false;
    victim.emplace(std::move(config), static_cast<PeerHost&>(*this), static_cast<RelayPort&>(*this), store,
                   static_cast<PeerObserver&>(*this));
  }
  // Dials and gets authenticated; says nothing yet.
  void dial() {
    net::QuicConfig config;
    config.identity = own_identity;
    config.peer = victim_identity->id();
    net::QuicEvents& events = *this;
    auto made = net::QuicConnection::dial(config, events, time);
    ASSERT_TRUE(made);
    quic = std::move(*made);
    run([&] { return quic->confirmed(); });
    ASSERT_TRUE(quic->confirmed());
    control = *quic->open_stream();
  }
  void say(const proto::ControlMessage& message) { quic->write(control, proto::encode(message)); }
  void hello() {
    proto::ControlHello message;
    message.message_epoch = 3;
    say(message);
  }

  // Both ends for a second, or until `done`.
  void run(const std::function<bool()>& done = {}) {
    const base::TimePoint end = time + std::chrono::seconds(1);
    while (time < end) {
      pump();
      if (done && done()) return;
      base::TimePoint next = std::min(victim->deadline(), quic->deadline());
      if (!to_victim.empty() || !to_us.empty()) next = time;
      time = std::clamp(next, time + std::chrono::microseconds(100), end);
      if (quic->deadline() <= time) quic->on_time(time);
      if (victim->deadline() <= time) victim->on_time();
    }
    pump();
  }
  void pump() {
    for (int round = 0; round < 100; ++round) {
      base::Bytes buffer(1'202);
      while (const std::size_t size = quic->write_packet(std::span(buffer).subspan(2, 1'200), time)) {
        const auto prefix = proto::quic_prefix(size);
        std::copy(prefix.begin(), prefix.end(), buffer.begin());
        to_victim.emplace_back(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size + 2));
      }
      if (to_victim.empty() && to_us.empty()) return;
      for (const base::Bytes& datagram : std::exchange(to_victim, {})) victim->on_relay_datagram(datagram);
      for (const base::Bytes& datagram : std::exchange(to_us, {})) {
        if (proto::datagram_kind(datagram) != proto::DatagramKind::quic) continue;
        proto::QuicPackets packets(datagram);
        while (const auto packet = packets.next()) quic->receive(*packet, time);
      }
    }
  }
  [[nodiscard]] bool closed_for(net::CloseCode code) const {
    return closed && closed->by == net::CloseReason::By::peer &&
           closed->code == static_cast<std::uint64_t>(code);
  }

  base::TimePoint now() const override { return time; }
  void deadline_changed(base::TimePoint) override {}
  std::unique_ptr<net::Ice> make_ice(net::IceEvents&, const std::optional<proto::Endpoint>&) override {
    ADD_FAILURE() << "gathered though direct is off";
    return nullptr;
  }
  void fill_random(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(random = random * 75 + 74);
  }
  bool send(const base::PeerId&, base::ByteView datagram) override {
    to_us.emplace_back(datagram.begin(), datagram.end());
    return true;
  }
  bool online() const override { return true; }
  void on_state_changed(const base::PeerId&, std::string_view, std::string_view) override {}
  void on_path_changed(const base::PeerId&, PathKind, PathKind, WhyNotDirect, std::string_view) override {}
  void on_established(const base::PeerId&, base::Duration) override {}
  void on_direct(const base::PeerId&, PathKind, base::Duration, const net::IcePair&) override {}
  void on_candidate(const base::PeerId&, std::string_view, std::uint32_t, const proto::Candidate&,
                    std::string_view, std::string_view) override {}
  void on_messages_delivered(const base::PeerId&, std::uint64_t) override {}
  void on_messages_received(const base::PeerId&, std::uint64_t) override {}
  void on_relay_hints(const base::PeerId&, const std::vector<std::string>& urls) override { hints = urls; }

  void on_confirmed() override {}
  void on_stream_opened(net::StreamId id) override { opened.push_back(id); }
  void on_stream_data(net::StreamId id, base::ByteView data, bool) override {
    quic->consume(id, data.size());
    base::Bytes& in = received[id];
    in.insert(in.end(), data.begin(), data.end());
  }
  void on_stream_acknowledged(net::StreamId, std::size_t) override {}
  void on_stream_reset(net::StreamId id, std::uint64_t code) override { reset_codes[id] = code; }
  void on_stream_stopped(net::StreamId id, std::uint64_t code) override { reset_codes[id] = code; }
  void on_stream_closed(net::StreamId) override {}
  void on_closed(const net::CloseReason& reason) override { closed = reason; }

  base::TimePoint time{std::chrono::hours(1)};
  unsigned random = 1;
  NotedStore store;
  std::deque<base::Bytes> to_victim;
  std::deque<base::Bytes> to_us;
  std::shared_ptr<const net::Identity> victim_identity;
  std::shared_ptr<const net::Identity> own_identity;
  std::optional<Peer> victim;
  std::unique_ptr<net::QuicConnection> quic;
  net::StreamId control{};
  std::vector<net::StreamId> opened;
  std::map<net::StreamId, base::Bytes> received;
  std::map<net::StreamId, std::uint64_t> reset_codes;
  std::optional<net::CloseReason> closed;
  std::vector<std::string> hints;
};

}  // namespace p2pd::peer
