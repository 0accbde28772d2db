// The Link by itself: frames from outside, packet size, the numbers it keeps.
#include "peer/link.hpp"

#include <gtest/gtest.h>

#include "link_net.hpp"
#include "net/crypto.hpp"

namespace p2pd::peer {
namespace {

using namespace test;

// What an observer can tell of a Link: anything that differs is a change of state.
std::string describe(const Link& link, base::TimePoint now) {
  std::string out = std::to_string(static_cast<int>(link.path())) + " " + std::to_string(link.switches()) +
                    " " + std::to_string(link.packet_size()) + " " +
                    std::to_string(link.deadline().time_since_epoch().count()) + " " +
                    std::to_string(link.all_paths_silent(now).count()) + " " +
                    std::to_string(link.route().also.has_value());
  for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
    const PathStats& stats = link.stats(kind);
    out += " | " + std::string(to_string(stats.state)) + " " + std::to_string(stats.probes_sent) + " " +
           std::to_string(stats.probes_answered) + " " + std::to_string(stats.demotions) + " " +
           std::to_string(stats.smoothed_rtt.value_or(base::Duration(-1)).count()) + " " +
           std::to_string(stats.last_received.value_or(base::TimePoint()).time_since_epoch().count()) + " " +
           std::to_string(stats.datagrams_received) + " " + std::to_string(stats.datagrams_sent);
  }
  return out;
}

class LinkFrames : public testing::Test {
 protected:
  void SetUp() override { net_.settle_on_direct(); }

  // Hands `frame` to end 0 and expects no trace of it.
  void expect_ignored(base::ByteView frame, PathKind path = kRelay) {
    const std::string before = describe(net_.link(0), net_.now);
    const auto sent = net_.end(0).frames_sent;
    net_.link(0).receive(path, frame, net_.now);
    EXPECT_EQ(describe(net_.link(0), net_.now), before) << base::to_hex(frame);
    EXPECT_EQ(net_.end(0).frames_sent, sent) << "it was answered: " << base::to_hex(frame);
  }
  // A frame as end 1 would send it.
  base::Bytes seal(std::uint64_t counter,
                   std::variant<proto::LinkProbe, proto::LinkAnswer, proto::LinkSwitched> body,
                   std::uint8_t key = 2, proto::LinkNonce nonce = {1, 2, 3}) {
    std::array<std::uint8_t, 32> secret{};
    secret.fill(key);
    return proto::seal_link_frame({.counter = counter, .nonce = nonce, .body = body},
                                  [&](base::ByteView data) { return net::hmac_sha256(secret, data); });
  }

  const proto::LinkSwitched kLeft{.path = proto::LinkPath::relay, .number = 99};
  Net net_{2};
};

TEST_F(LinkFrames, AreUnderstoodWhenTheyAreGenuine) {
  net_.link(0).receive(kRelay, seal(5'000, kLeft), net_.now);
  EXPECT_EQ(net_.link(0).path(), kRelay);
}

TEST_F(LinkFrames, WithAnotherKeyChangeNothing) {
  expect_ignored(seal(5'000, kLeft, 3));
  expect_ignored(seal(5'000, kLeft, 1));  // our own key: a reflected frame
  expect_ignored(seal(5'000, proto::LinkProbe{}, 3));
}

TEST_F(LinkFrames, WithAnyBitFlippedChangeNothing) {
  const base::Bytes genuine = seal(5'000, kLeft);
  for (std::size_t bit = 0; bit < genuine.size() * 8; ++bit) {
    base::Bytes flipped = genuine;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    expect_ignored(flipped);
  }
  net_.link(0).receive(kRelay, genuine, net_.now);
  EXPECT_EQ(net_.link(0).path(), kRelay) << "none of those used up its counter";
}

TEST_F(LinkFrames, CutShortOrDrawnOutChangeNothing) {
  const base::Bytes genuine = seal(5'000, kLeft);
  for (std::size_t size = 0; size < genuine.size(); ++size) {
    expect_ignored(base::ByteView(genuine).first(size));
  }
  base::Bytes longer = genuine;
  longer.push_back(0);
  expect_ignored(longer);
  expect_ignored(base::Bytes(70'000, 0x81));
}

TEST_F(LinkFrames, ThatAreRandomBytesChangeNothing) {
  for (int i = 0; i < 2'000; ++i) {
    base::Bytes noise(net_.random()() % 200);
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(net_.random()());
    if (!noise.empty()) noise[0] = static_cast<std::uint8_t>(0x80 | (noise[0] & 3));
    expect_ignored(noise, kDirect);
  }
}

TEST_F(LinkFrames, ThatRepeatChangeNothing) {
  net_.end(1).tap = true;
  net_.run(seconds(60));
  ASSERT_GT(net_.end(1).tapped.size(), 10U);
  for (const base::Bytes& frame : net_.end(1).tapped) {
    expect_ignored(frame, kDirect);
    expect_ignored(frame, kRelay);
  }
}

TEST_F(LinkFrames, InAnotherOrderAreAllTaken) {
  net_.link(0).receive(kDirect, seal(5'000, proto::LinkProbe{}), net_.now);  // takes a heartbeat along
  for (const std::uint64_t counter : {5'010U, 5'003U, 5'007U, 5'001U}) {
    const auto sent = net_.end(0).frames_sent;
    net_.link(0).receive(kDirect, seal(counter, proto::LinkProbe{}), net_.now);
    EXPECT_EQ(net_.end(0).frames_sent, sent + 1) << counter;
  }
}

TEST_F(LinkFrames, BehindTheReplayWindowChangeNothing) {
  net_.link(0).receive(kDirect, seal(9'000, proto::LinkProbe{}), net_.now);
  expect_ignored(seal(9'000 - 1'024, proto::LinkProbe{}));
  const auto sent = net_.end(0).frames_sent;
  net_.link(0).receive(kDirect, seal(9'000 - 1'023, proto::LinkProbe{}), net_.now);
  EXPECT_EQ(net_.end(0).frames_sent, sent + 1);
}

TEST_F(LinkFrames, AreAnsweredOnThePathTheyCameBy) {
  net_.end(0).tap = true;
  const proto::LinkProbe probe{.size = 300, .path = proto::LinkPath::turn};
  net_.set_up(kDirect, false);
  net_.link(0).receive(kRelay, seal(5'000, probe), net_.now);
  ASSERT_EQ(net_.end(0).tapped.size(), 1U);
  const auto opened = proto::parse_link_frame_layout(
      base::ByteView(net_.end(0).tapped[0]).first(net_.end(0).tapped[0].size() - proto::kLinkMacSize));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->nonce, (proto::LinkNonce{1, 2, 3}));
  EXPECT_EQ(std::get<proto::LinkAnswer>(opened->body),
            (proto::LinkAnswer{.size_seen = 300, .path = proto::LinkPath::turn}));
}

// Someone on the way holds genuine answers back and lets them in by the other path.
TEST(Link, AnswersAProbeThatCameBeforeItsOwnPair) {
  Net net;
  net.exchange_keys();
  net.end(1).has_pair = false;
  net.link(0).path_available(kDirect, net.now);
  net.run(milliseconds(7));  // the probe takes 5
  net.end(1).has_pair = true;
  net.link(1).path_available(kDirect, net.now);
  net.run(milliseconds(6));
  EXPECT_EQ(net.link(0).path(), kDirect);
}

TEST(Link, AnswersNoProbeThatIsOld) {
  Net net;
  net.exchange_keys();
  net.end(1).has_pair = false;
  net.link(0).path_available(kDirect, net.now);
  net.run(milliseconds(7));
  net.link(0).path_lost(kDirect, net.now, "test");
  net.run(seconds(1));
  const unsigned before = net.end(1).frames_sent;
  net.end(1).has_pair = true;
  net.link(1).path_available(kDirect, net.now);
  EXPECT_EQ(net.end(1).frames_sent, before + 1);  // its own probe
}

TEST_F(LinkFrames, ThatAnswerOnAnotherPathProveNothing) {
  Net net(4);
  net.exchange_keys();
  net.set_up(kDirect, false);
  net.available(kDirect);
  net.run(seconds(1));
  net.end(0).tap = true;
  net.run(seconds(5));
  net.end(1).tap = true;
  for (const base::Bytes& frame : net.end(0).tapped) net.link(1).receive(kRelay, frame, net.now);
  const std::vector<base::Bytes> answers = net.end(1).tapped;
  for (const base::Bytes& frame : answers) net.link(0).receive(kRelay, frame, net.now);
  net.run(seconds(1));
  EXPECT_EQ(net.link(0).path(), kRelay);
  EXPECT_EQ(net.link(0).stats(kDirect).probes_answered, 0U);
}

TEST_F(LinkFrames, ThatAnswerCountOnlyOnThePathTheyNameWithTheSizeAsked) {
  net_.set_up(kDirect, false);
  net_.end(0).tap = true;
  net_.run(milliseconds(300));
  net_.end(0).tapped.clear();
  net_.link(0).network_changed(net_.now);
  proto::LinkFrame probe;
  for (const base::Bytes& frame : net_.end(0).tapped) {
    const auto opened =
        proto::parse_link_frame_layout(base::ByteView(frame).first(frame.size() - proto::kLinkMacSize));
    ASSERT_TRUE(opened);
    const auto* body = std::get_if<proto::LinkProbe>(&opened->body);
    if (body != nullptr && body->path == proto::LinkPath::direct && body->size == proto::kMinLinkFrame) {
      probe = *opened;
    }
  }
  ASSERT_NE(probe.counter, 0U);
  const auto answer = [&](std::uint64_t counter, std::uint16_t size, proto::LinkPath named) {
    return seal(counter, proto::LinkAnswer{.size_seen = size, .path = named}, 2, probe.nonce);
  };
  const auto answered = net_.link(0).stats(kDirect).probes_answered;
  net_.link(0).receive(kDirect, answer(5'000, 36, proto::LinkPath::turn), net_.now);
  net_.link(0).receive(kDirect, answer(5'001, 35, proto::LinkPath::direct), net_.now);
  net_.link(0).receive(kRelay, answer(5'002, 36, proto::LinkPath::direct), net_.now);
  net_.link(0).receive(kRelay, answer(5'003, 36, proto::LinkPath::relay), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_answered, answered);
  net_.link(0).receive(kDirect, answer(5'004, 36, proto::LinkPath::direct), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_answered, answered + 1);
}

TEST_F(LinkFrames, ThatAnswerNothingWeAskedProveNothing) {
  net_.lost(kDirect);
  net_.link(0).path_available(kDirect, net_.now);
  const auto answered = net_.link(0).stats(kDirect).probes_answered;
  net_.link(0).receive(
      kDirect, seal(5'000, proto::LinkAnswer{.size_seen = 1'202, .path = proto::LinkPath::direct}), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_answered, answered);
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::probing);
}

TEST_F(LinkFrames, ThatTellOfASwitchPromptAProbeThere) {
  net_.set_up(kDirect, false);
  net_.end(0).write(1);
  net_.run(seconds(20));
  ASSERT_EQ(net_.link(0).stats(kDirect).state, PathState::dead);
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  net_.run(milliseconds(300));
  net_.link(0).receive(
      kRelay, seal(5'000, proto::LinkSwitched{.path = proto::LinkPath::direct, .number = 99}), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 1);
  EXPECT_EQ(net_.link(0).path(), kRelay) << "not followed unproven";
}

TEST_F(LinkFrames, ThatProbeADeadPathPromptAProbeThere) {
  net_.set_up(kDirect, false);
  net_.end(0).write(1);
  net_.run(seconds(20));
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  net_.run(milliseconds(300));
  net_.link(0).receive(kDirect, seal(5'000, proto::LinkProbe{}), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 1);
  net_.link(0).receive(kDirect, seal(5'001, proto::LinkProbe{}), net_.now);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 1) << "not as often as the peer likes";
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::dead) << "the way in proves nothing";
}

TEST_F(LinkFrames, OfAnOldSwitchChangeNothing) {
  net_.link(0).receive(
      kDirect, seal(5'000, proto::LinkSwitched{.path = proto::LinkPath::direct, .number = 8}), net_.now);
  net_.link(0).receive(kRelay, seal(5'001, proto::LinkSwitched{.path = proto::LinkPath::relay, .number = 7}),
                       net_.now);
  EXPECT_EQ(net_.link(0).path(), kDirect);
  net_.link(0).receive(kRelay, seal(5'002, proto::LinkSwitched{.path = proto::LinkPath::relay, .number = 8}),
                       net_.now);
  EXPECT_EQ(net_.link(0).path(), kDirect);
  net_.link(0).receive(kRelay, seal(5'003, proto::LinkSwitched{.path = proto::LinkPath::relay, .number = 9}),
                       net_.now);
  EXPECT_EQ(net_.link(0).path(), kRelay);
}

TEST_F(LinkFrames, BeforeTheKeysChangeNothing) {
  Net net;
  const std::string before = describe(net.link(0), net.now);
  net.link(0).receive(kRelay, seal(1, kLeft), net.now);
  EXPECT_EQ(describe(net.link(0), net.now), before);
}

TEST(Link, CountsNoUnauthenticatedQuic) {
  Net net;
  net.settle_on_direct();
  const std::string before = describe(net.link(0), net.now);
  for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
    net.link(0).on_quic_received(kind, 1'200, false, net.now);
  }
  EXPECT_EQ(describe(net.link(0), net.now), before);
}

TEST(Link, CountsQuicByPath) {
  Net net;
  net.link(0).on_quic_sent(kRelay, 1'000, net::SendOutcome::sent, net.now);
  net.link(0).on_quic_sent(kRelay, 500, net::SendOutcome::sent, net.now);
  net.link(0).on_quic_sent(kRelay, 70, net::SendOutcome::blocked, net.now);
  net.link(0).on_quic_received(kRelay, 300, true, net.now);
  const PathStats& stats = net.link(0).stats(kRelay);
  EXPECT_EQ(stats.datagrams_sent, 2U);
  EXPECT_EQ(stats.bytes_sent, 1'500U);
  EXPECT_EQ(stats.datagrams_received, 1U);
  EXPECT_EQ(stats.bytes_received, 300U);
  EXPECT_EQ(net.link(0).stats(kDirect).datagrams_sent, 0U);
  EXPECT_EQ(stats.last_received, net.now);
}

TEST(Link, MeasuresRoundTrips) {
  Net net;
  net.settle_on_direct();
  EXPECT_EQ(net.link(0).stats(kDirect).smoothed_rtt, milliseconds(10));
  EXPECT_EQ(net.link(0).stats(kRelay).smoothed_rtt, milliseconds(40));
  for (int index = 0; index < 2; ++index) net.lane(kDirect, index).latency = milliseconds(50);
  net.run(minutes(15));
  EXPECT_GT(net.link(0).stats(kDirect).smoothed_rtt, milliseconds(99));
  EXPECT_EQ(net.link(0).stats(kDirect).min_rtt, milliseconds(10));
}

// --- packet size ---

class LinkPacketSize : public testing::Test {
 protected:
  void settle(std::size_t mtu) {
    set_mtu(mtu);
    net_.settle_on_direct();
  }
  void set_mtu(std::size_t mtu) {
    for (int index = 0; index < 2; ++index) net_.lane(kDirect, index).mtu = mtu;
  }
  Net net_{6};
};

TEST_F(LinkPacketSize, IsTheRelaysUntilTheSwitch) {
  EXPECT_EQ(net_.link(0).packet_size(), 15'998U);
  net_.exchange_keys();
  net_.run(seconds(1));
  EXPECT_EQ(net_.link(0).packet_size(), 15'998U);
}

TEST_F(LinkPacketSize, StartsAtTheLeastThatQuicNeedsAndClimbs) {
  net_.exchange_keys();
  net_.available(kDirect);
  net_.run(milliseconds(15));
  ASSERT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(0).packet_size(), 1'200U);
  net_.run(milliseconds(50));
  EXPECT_EQ(net_.link(0).packet_size(), 1'450U);
  EXPECT_EQ(net_.link(0).stats(kDirect).payload_size, 1'452U);
}

TEST_F(LinkPacketSize, ReachesJumboFrames) {
  settle(9'000);
  EXPECT_EQ(net_.link(0).packet_size(), 8'898U);
}

TEST_F(LinkPacketSize, FollowsAnInterfaceThatRefusesBigDatagrams) {
  settle(9'000);
  net_.lane(kDirect, 0).interface = 1'300;
  net_.end(0).write(1, true);
  EXPECT_EQ(net_.link(0).packet_size(), 1'200U);
  EXPECT_EQ(net_.end(0).kicks, 1U) << "what was in flight at that size is lost";
  net_.run(seconds(1));
  EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
  net_.run(minutes(11));
  EXPECT_EQ(net_.link(0).packet_size(), 1'278U);
}

TEST_F(LinkPacketSize, LeavesAPathWhoseInterfaceRefusesTheLeast) {
  settle(1'500);
  net_.lane(kDirect, 0).interface = 1'000;
  net_.end(0).write(3, true);
  net_.run(seconds(1));
  EXPECT_EQ(net_.link(0).path(), kRelay);
  EXPECT_EQ(net_.end(0).changes.back(), "direct>relay: packets of the least size do not fit");
  EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
  net_.run(minutes(5));
  EXPECT_EQ(net_.link(0).path(), kRelay) << "small answers are not enough to climb";
}

TEST_F(LinkPacketSize, FallsBackInABlackHoleAndLosesNoPath) {
  settle(1'500);
  set_mtu(1'300);
  net_.end(0).write(20, true);
  const base::TimePoint start = net_.now;
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).packet_size() != 1'200; }, seconds(2)));
  EXPECT_LE(net_.now - start, milliseconds(800));
  EXPECT_EQ(net_.end(0).kicks, 1U);
  net_.run(seconds(2));
  EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(0).switches(), 1U);
  set_mtu(1'500);
  net_.run(minutes(11));
  EXPECT_EQ(net_.link(0).packet_size(), 1'450U) << "tried again after ten minutes";
}

TEST_F(LinkPacketSize, CopiesToTheRelayOnceAFullSizePacketIsMissing) {
  settle(1'500);
  set_mtu(1'300);
  net_.end(0).write(1, true);
  ASSERT_TRUE(net_.run_while([&] { return !net_.link(0).route().also; }, milliseconds(400)));
  EXPECT_EQ(net_.link(0).route().also, kRelay);
}

TEST_F(LinkPacketSize, FindsABlackHoleBehindTheOtherEndsTraffic) {
  settle(1'500);
  net_.lane(kDirect, 0).mtu = 1'300;
  // Small packets pass both ways all the time, and one big one waits for its acknowledgement.
  net_.end(0).write(1, true);
  for (int i = 0; i < 4'000 && net_.end(0).unacknowledged() != 0; ++i) {
    net_.end(1).write(1);
    net_.run(milliseconds(10));
  }
  EXPECT_EQ(net_.link(0).packet_size(), 1'200U);
  net_.run(seconds(1));
  EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
}

TEST_F(LinkPacketSize, StaysWhereATenthIsLostAtRandom) {
  settle(1'500);
  for (int index = 0; index < 2; ++index) net_.lane(kDirect, index).loss = 0.1;
  net_.chat(minutes(2), milliseconds(20), true);
  EXPECT_EQ(net_.link(0).packet_size(), 1'450U);
}

TEST_F(LinkPacketSize, StartsOverOnAnotherPairAndAfterANetworkChange) {
  settle(1'500);
  set_mtu(1'200 + 2);
  net_.link(0).path_available(kDirect, net_.now);
  EXPECT_EQ(net_.link(0).packet_size(), 1'200U);
  net_.run(seconds(5));
  EXPECT_EQ(net_.link(0).packet_size(), 1'200U);
  set_mtu(1'500);
  net_.link(0).network_changed(net_.now);
  net_.run(seconds(1));
  EXPECT_EQ(net_.link(0).packet_size(), 1'450U);
}

}  // namespace
}  // namespace p2pd::peer
