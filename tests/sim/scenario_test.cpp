// Promises with a number, one at a time, on the simulation's world.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "peer/peer_error.hpp"
#include "tests/sim/schedule.hpp"

namespace p2pd::sim {
namespace {

using namespace std::chrono_literals;
using peer::PathKind;
using peer::WhyNotDirect;

class Scenario : public testing::Test {
 protected:
  void SetUp() override {
    base::log::set_sink([](base::log::Level, std::string_view) {});
    pair.network.relay.latency = 20ms;
    pair.network.relay.ordered = true;
    pair.network.direct.latency = 5ms;
  }
  void TearDown() override {
    base::log::set_sink({});
    EXPECT_EQ(pair.world.failure(), "");
    EXPECT_EQ(pair.inbox_error(), "");
  }

  void connect(PathKind path = PathKind::relay) {
    a.wanted = b.wanted = true;
    if (path == PathKind::relay) pair.network.direct.up = {false, false};
    pair.start();
    ASSERT_TRUE(pair.world.run(5s, [&] { return pair.on_path(path); }));
  }
  void cut_everything(bool up) {
    pair.network.relay.up = {up, up};
    pair.network.direct.up = {up, up};
  }
  [[nodiscard]] static bool has_reason(const Node& node, const std::string& reason) {
    return std::find(node.reasons().begin(), node.reasons().end(), reason) != node.reasons().end();
  }

  Pair pair{1};
  Node& a = pair.a;
  Node& b = pair.b;
};

TEST_F(Scenario, ConnectsInTwoAndAHalfRoundTripsThroughTheRelay) {
  pair.network.direct.up = {false, false};
  pair.start();
  pair.world.run(1s);
  EXPECT_EQ(a.status().state, peer::PeerState::idle);
  a.connect();
  // The dialler is done after two; the other hears `keep` half a round trip later.
  EXPECT_TRUE(pair.world.run(85ms, [&] { return a.established(); }));
  EXPECT_TRUE(pair.world.run(25ms, [&] { return pair.agreed(); }));
  EXPECT_EQ(a.status().to_relay, base::Duration(80ms));
}

TEST_F(Scenario, ClimbsToTheDirectPathAMomentLater) {
  connect(PathKind::direct);
  EXPECT_LT(*a.status().to_direct, 500ms);
  EXPECT_EQ(a.status().why_not_direct, WhyNotDirect::none);
  ASSERT_TRUE(a.status().local_candidate && a.status().remote_candidate);
  EXPECT_EQ(a.status().remote_candidate->endpoint.address_text(), "10.0.0.2");
}

TEST_F(Scenario, AnUnwantedPeerIsServedWhenItDials) {
  pair.start();
  b.connect();
  ASSERT_TRUE(pair.world.run(2s, [&] { return pair.agreed(); }));
  EXPECT_FALSE(a.peer().wanted());
  EXPECT_TRUE(b.peer().wanted());
}

TEST_F(Scenario, AQueuedMessageDialsByItself) {
  pair.start();
  pair.world.run(100ms);
  a.send_message(10);
  EXPECT_TRUE(pair.world.run(1s, [&] { return pair.delivered(); }));
}

TEST_F(Scenario, LeavesTheDeadDirectPathAndClimbsAgain) {
  connect(PathKind::direct);
  const std::string connection = a.status().connection;
  pair.network.direct.up = {false, false};
  a.send_message(10);
  b.send_message(10);
  EXPECT_TRUE(pair.world.run(2s, [&] { return pair.delivered() && pair.on_path(PathKind::relay); }));
  pair.network.direct.up = {true, true};
  EXPECT_TRUE(pair.world.run(20s, [&] { return pair.on_path(PathKind::direct); }));
  EXPECT_EQ(a.status().connection, connection);
}

TEST_F(Scenario, TheRelayMayDieOnceTheConnectionIsDirect) {
  connect(PathKind::direct);
  const std::string connection = a.status().connection;
  a.set_relay_online(false);
  b.set_relay_online(false);
  for (int i = 0; i < 5; ++i) {
    a.send_message(10);
    pair.world.run(10s);
  }
  EXPECT_TRUE(pair.delivered());
  a.set_relay_online(true);
  b.set_relay_online(true);
  pair.world.run(5s);
  EXPECT_TRUE(pair.on_path(PathKind::direct));
  EXPECT_EQ(a.status().connection, connection);
}

TEST_F(Scenario, NineSecondsOfBlackoutEndNothingOnTheRelay) {
  connect(PathKind::relay);
  const std::string connection = a.status().connection;
  cut_everything(false);
  a.send_message(10);
  b.send_message(10);
  pair.world.run(9s);
  pair.network.relay.up = {true, true};
  EXPECT_TRUE(pair.world.run(5s, [&] { return pair.delivered(); }));
  EXPECT_EQ(a.status().connection, connection);
  EXPECT_EQ(a.reasons().size(), b.reasons().size());
}

TEST_F(Scenario, NineSecondsOfBlackoutEndNothingOnTheDirectPath) {
  connect(PathKind::direct);
  pair.world.run(3s);
  const std::string connection = a.status().connection;
  cut_everything(false);
  a.send_message(10);
  pair.world.run(9s);
  cut_everything(true);
  EXPECT_TRUE(pair.world.run(5s, [&] { return pair.delivered(); }));
  pair.world.run(10s);
  EXPECT_EQ(a.status().connection, connection);
  EXPECT_TRUE(pair.agreed());
}

TEST_F(Scenario, NineSecondsOfBlackoutEndNoIdleConnection) {
  connect(PathKind::relay);
  for (int i = 0; i < 20; ++i) {
    const std::string connection = a.status().connection;
    cut_everything(false);
    pair.world.run(9s);
    pair.network.relay.up = {true, true};
    pair.world.run(11s + i * 337ms);
    ASSERT_TRUE(pair.agreed());
    ASSERT_EQ(a.status().connection, connection) << "blackout " << i;
  }
}

TEST_F(Scenario, ARelaySessionThatComesBackResumesTheConnection) {
  connect(PathKind::relay);
  const std::string connection = a.status().connection;
  b.set_relay_online(false);
  pair.world.run(8s);
  a.send_message(10);
  pair.world.run(1s);
  b.set_relay_online(true);
  EXPECT_TRUE(pair.world.run(1s, [&] { return pair.delivered(); }));
  EXPECT_EQ(a.status().connection, connection);
}

TEST_F(Scenario, SilenceOnAllPathsEndsInBackOff) {
  connect(PathKind::relay);
  cut_everything(false);
  EXPECT_TRUE(pair.world.run(31s, [&] { return !a.established(); }));
  EXPECT_TRUE(has_reason(a, "backoff:peer_gone"));
  EXPECT_NE(a.status().last_error, "");
  pair.network.relay.up = {true, true};
  EXPECT_TRUE(pair.world.run(45s, [&] { return pair.agreed(); }));
  EXPECT_EQ(a.status().last_error, "");
}

TEST_F(Scenario, ReplayedDatagramsDisturbNothing) {
  connect(PathKind::direct);
  const std::string connection = a.status().connection;
  const std::size_t changes = a.reasons().size() + b.reasons().size();
  for (int i = 0; i < 200; ++i) {
    a.replay_old_datagram();
    b.replay_old_datagram();
    pair.world.run(50ms);
    ASSERT_TRUE(pair.on_path(PathKind::direct));
  }
  a.send_message(10);
  pair.world.run(1s);
  EXPECT_TRUE(pair.delivered());
  EXPECT_EQ(a.status().connection, connection);
  EXPECT_EQ(a.reasons().size() + b.reasons().size(), changes);
}

TEST_F(Scenario, AReplayedInitialDoesNotKeepTheRealPeerOut) {
  connect(PathKind::relay);
  b.kill();
  // The relay has b's first packet and says it again and again.
  for (int i = 0; i < 20; ++i) {
    a.replay_old_datagram();
    pair.world.run(5ms);
  }
  b.start();
  b.set_relay_online(true);
  EXPECT_TRUE(pair.world.run(1s, [&] { return pair.agreed(); }));
}

TEST_F(Scenario, DisconnectEndsItForBothUntilSomebodyAsksAgain) {
  connect(PathKind::relay);
  a.disconnect();
  pair.world.run(60s);
  EXPECT_EQ(a.status().state, peer::PeerState::idle);
  EXPECT_EQ(b.status().state, peer::PeerState::idle);
  EXPECT_TRUE(has_reason(b, "idle:peer_disconnected"));
  EXPECT_NE(b.status().last_error, "");
  b.connect();
  EXPECT_TRUE(pair.world.run(1s, [&] { return pair.agreed(); }));
}

TEST_F(Scenario, ShuttingDownTellsThePeerAndEndsCleanly) {
  connect(PathKind::direct);
  bool done = false;
  a.peer().shut_down(net::CloseCode::shutdown, [&] { done = true; });
  EXPECT_TRUE(pair.world.run(1s, [&] { return done; }));
  EXPECT_TRUE(pair.world.run(1s, [&] { return has_reason(b, "backoff:peer_shutdown"); }));
  EXPECT_EQ(a.peer().deadline(), base::kNever);
}

TEST_F(Scenario, DirectOffGathersNothingAndSaysWhy) {
  a.direct_allowed = false;
  connect(PathKind::relay);
  pair.network.direct.up = {true, true};
  pair.world.run(30s);
  EXPECT_TRUE(pair.on_path(PathKind::relay));
  EXPECT_EQ(a.agents_made(), 0U);
  EXPECT_EQ(a.status().why_not_direct, WhyNotDirect::disabled);
  EXPECT_EQ(b.status().why_not_direct, WhyNotDirect::peer_disabled);
  a.peer().set_direct_allowed(true);
  EXPECT_TRUE(pair.world.run(5s, [&] { return pair.on_path(PathKind::direct); }));
  a.peer().set_direct_allowed(false);
  EXPECT_TRUE(pair.world.run(2s, [&] { return pair.on_path(PathKind::relay); }));
}

TEST_F(Scenario, NoDirectHoldsForOneConnection) {
  pair.start();
  a.peer().set_direct_allowed_once(false);
  a.connect();
  ASSERT_TRUE(pair.world.run(1s, [&] { return pair.agreed(); }));
  pair.world.run(10s);
  EXPECT_TRUE(pair.on_path(PathKind::relay));
  EXPECT_EQ(a.status().why_not_direct, WhyNotDirect::disabled);
  a.disconnect();
  pair.world.run(1s);
  a.connect();
  EXPECT_TRUE(pair.world.run(5s, [&] { return pair.on_path(PathKind::direct); }));
}

TEST_F(Scenario, ADeadDirectPathIsNamedAsTheReason) {
  connect(PathKind::relay);
  EXPECT_EQ(a.status().why_not_direct, WhyNotDirect::in_progress);
  pair.world.run(20s);
  EXPECT_EQ(a.status().why_not_direct, WhyNotDirect::checks_failed);
}

TEST_F(Scenario, EachReasonForNotBeingDirectIsToldOnce) {
  connect(PathKind::relay);
  pair.world.run(20s);
  a.peer().on_network_changed();
  pair.network.direct.up = {true, true};
  ASSERT_TRUE(pair.world.run(20s, [&] { return pair.on_path(PathKind::direct); }));
  EXPECT_EQ(a.whys(), (std::vector{WhyNotDirect::in_progress, WhyNotDirect::checks_failed,
                                   WhyNotDirect::in_progress, WhyNotDirect::none}));
}

TEST_F(Scenario, AGatewayThatMapsPortsNowIsTriedAtOnceWhereIceHasFailed) {
  connect(PathKind::relay);
  ASSERT_TRUE(pair.world.run(
      60s, [&] { return a.status().why_not_direct == WhyNotDirect::checks_failed && a.agents_made() > 0; }));
  pair.world.run(60s);  // the next try is a minute away
  pair.network.direct.up = {true, true};
  a.peer().on_port_mapping();
  EXPECT_TRUE(pair.world.run(2s, [&] { return pair.on_path(PathKind::direct); }));
  // A connection that is direct already is left alone.
  const auto switches = a.status().switches;
  a.peer().on_port_mapping();
  pair.world.run(5s);
  EXPECT_EQ(a.status().switches, switches);
}

TEST_F(Scenario, APingDialsAndNamesItsPath) {
  pair.start();
  pair.world.run(100ms);
  std::optional<base::Result<peer::PingReply>> reply;
  a.peer().ping([&](const base::Result<peer::PingReply>& result) { reply = result; }, 3s);
  ASSERT_TRUE(pair.world.run(3s, [&] { return reply.has_value(); }));
  ASSERT_TRUE(*reply);
  ASSERT_TRUE(pair.world.run(3s, [&] { return pair.on_path(PathKind::direct); }));
  reply.reset();
  a.peer().ping([&](const base::Result<peer::PingReply>& result) { reply = result; }, 3s);
  ASSERT_TRUE(pair.world.run(3s, [&] { return reply.has_value(); }));
  ASSERT_TRUE(*reply);
  EXPECT_EQ((**reply).path, PathKind::direct);
  EXPECT_GE((**reply).rtt, 10ms);
  EXPECT_LT((**reply).rtt, 20ms);
}

TEST_F(Scenario, APingToAnAbsentPeerTimesOut) {
  a.start();
  a.set_relay_online(true);
  std::optional<base::Result<peer::PingReply>> reply;
  a.peer().ping([&](const base::Result<peer::PingReply>& result) { reply = result; }, 3s);
  pair.world.run(2900ms);
  EXPECT_FALSE(reply.has_value());
  ASSERT_TRUE(pair.world.run(200ms, [&] { return reply.has_value(); }));
  EXPECT_EQ(reply->error().code, peer::make_error_code(peer::PeerError::timed_out));
  pair.world.run(40s);
  EXPECT_EQ(a.status().state, peer::PeerState::idle);
}

TEST_F(Scenario, APeerThatIsAwayIsDialledAtLeastEveryHalfMinuteAndAtOnceWhenItComes) {
  a.wanted = true;
  a.start();
  a.set_relay_online(true);
  pair.world.run(5min);
  EXPECT_NE(a.status().last_error, "");
  // Five seconds of dialling and at most thirty of waiting, again and again.
  EXPECT_GE(a.reasons().size(), 2U * 5 * 60 / 35);
  EXPECT_LE(a.reasons().size(), 40U);
  b.start();
  b.set_relay_online(true);
  EXPECT_TRUE(pair.world.run(500ms, [&] { return pair.agreed(); }));
}

TEST_F(Scenario, APeerThatComesInTheMiddleOfADialIsThereAtOnce) {
  a.start();
  a.set_relay_online(true);
  a.connect();
  pair.world.run(3'100ms);
  ASSERT_EQ(a.status().state, peer::PeerState::dialing);
  b.start();
  b.set_relay_online(true);
  EXPECT_TRUE(pair.world.run(150ms, [&] { return pair.agreed(); }));
}

TEST_F(Scenario, ALargeOutboxGoesThroughAFullInbox) {
  b.store_full = 0.2;
  connect(PathKind::relay);
  for (int i = 0; i < 40; ++i) a.send_message(150'000);
  pair.world.run(20s);
  b.heal_store();
  EXPECT_TRUE(pair.world.run(120s, [&] { return pair.delivered(); }));
}

TEST_F(Scenario, AMessageOfAMebibyteArrives) {
  connect(PathKind::relay);
  a.send_message(1024 * 1024);
  a.send_message(1);
  EXPECT_TRUE(pair.world.run(30s, [&] { return pair.delivered(); }));
}

// --- crossing dials, restarts: every combination ---

class Crossing : public Scenario, public testing::WithParamInterface<int> {};

TEST_P(Crossing, LeavesOneConnectionThatBothAgreeOn) {
  pair.start();
  pair.world.run(100ms);
  const auto skew = std::chrono::milliseconds(GetParam());
  pair.world.after(100ms, [&] { a.connect(); });
  pair.world.after(100ms + skew, [&] { b.connect(); });
  pair.world.run(100ms);
  ASSERT_TRUE(pair.world.run(1s, [&] { return pair.agreed(); }));
  const std::string connection = a.status().connection;
  a.send_message(10);
  b.send_message(10);
  pair.world.run(12s);
  EXPECT_TRUE(pair.delivered());
  EXPECT_EQ(a.status().connection, connection);
  EXPECT_EQ(b.status().connection, connection);
}

INSTANTIATE_TEST_SUITE_P(Skew, Crossing,
                         testing::Values(-90, -70, -50, -40, -30, -21, -20, -19, -10, -1, 0, 1, 10, 19, 20,
                                         21, 30, 40, 50, 70, 90));

// Who is killed, who wants whom (bits), whether presence is told.
class Restart : public Scenario, public testing::WithParamInterface<std::tuple<int, int, PathKind>> {};

TEST_P(Restart, IsUsableWithinASecondOfTheRelaySessionsReturn) {
  const auto [victim, wishes, path] = GetParam();
  connect(path);
  a.wanted = (wishes & 1) != 0;
  b.wanted = (wishes & 2) != 0;
  // The wishes hold from the restart on; a connection that is there stays.
  Node& killed = victim == 0 ? a : b;
  Node& survivor = victim == 0 ? b : a;
  const std::string before = survivor.status().connection;
  pair.world.run(2s);
  killed.kill();
  pair.world.run(700ms);
  killed.start();
  pair.world.run(50ms);
  killed.set_relay_online(true);
  survivor.send_message(10);
  ASSERT_TRUE(pair.world.run(1s, [&] { return pair.agreed() && pair.delivered(); }));
  EXPECT_NE(survivor.status().connection, before);
  EXPECT_TRUE(has_reason(survivor, "established:peer_restarted"));
}

INSTANTIATE_TEST_SUITE_P(All, Restart,
                         testing::Combine(testing::Values(0, 1), testing::Values(0, 1, 2, 3),
                                          testing::Values(PathKind::relay, PathKind::direct)));

}  // namespace
}  // namespace p2pd::sim
