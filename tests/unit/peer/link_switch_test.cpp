// Moving between paths with both ends in play: climbing, switching, falling back.
#include <gtest/gtest.h>

#include "link_net.hpp"

namespace p2pd::peer {
namespace {

using namespace test;

TEST(LinkSwitch, UsesOnlyTheRelayBeforeTheKeysAreThere) {
  Net net;
  net.available(PathKind::direct);
  net.run(minutes(1));
  EXPECT_EQ(net.link(0).route().primary, PathKind::relay);
  EXPECT_EQ(net.end(0).frames_sent, 0U);
  EXPECT_EQ(net.link(0).deadline(), base::kNever);
}

TEST(LinkSwitch, MovesToDirectWithinOneAndAHalfRoundTripsOfItsProbes) {
  Net net;
  net.exchange_keys();
  net.available(PathKind::direct);
  net.run(milliseconds(15));
  for (int index = 0; index < 2; ++index) {
    EXPECT_EQ(net.link(index).path(), PathKind::direct);
    EXPECT_EQ(net.link(index).switches(), 1U);
    EXPECT_EQ(net.end(index).changes, std::vector<std::string>{"relay>direct: probes answered"});
    EXPECT_EQ(net.end(index).kicks, 0U) << "the relay still works";
    EXPECT_EQ(net.link(index).stats(PathKind::direct).smoothed_rtt, milliseconds(10));
  }
}

TEST(LinkSwitch, RetransmitsItsFirstProbes) {
  Net net;
  net.exchange_keys();
  net.set_up(PathKind::direct, false);
  net.available(PathKind::direct);
  std::vector<std::pair<int, unsigned>> sent;
  for (const int at : {0, 49, 50, 99, 100, 199, 200, 399, 400}) {
    net.run_until(base::TimePoint(std::chrono::hours(1)) + milliseconds(at));
    sent.emplace_back(at, net.link(0).stats(PathKind::direct).probes_sent);
  }
  const std::vector<std::pair<int, unsigned>> expected{{0, 1},   {49, 1},  {50, 2},  {99, 2}, {100, 3},
                                                       {199, 3}, {200, 4}, {399, 4}, {400, 5}};
  EXPECT_EQ(sent, expected);
}

TEST(LinkSwitch, DoesNotMoveOntoAPathThatWorksOneWayOnly) {
  for (const int broken : {0, 1}) {
    Net net;
    net.lane(PathKind::direct, broken).up = false;
    net.exchange_keys();
    net.available(PathKind::direct);
    net.chat(seconds(30));
    net.run(seconds(1));
    for (int index = 0; index < 2; ++index) {
      EXPECT_EQ(net.link(index).path(), PathKind::relay);
      EXPECT_EQ(net.end(index).unacknowledged(), 0U);
    }
  }
}

TEST(LinkSwitch, DoesNotMoveOntoAPathTooNarrowForQuic) {
  Net net;
  net.lane(PathKind::direct, 0).mtu = 1'100;
  net.lane(PathKind::direct, 1).mtu = 1'100;
  net.exchange_keys();
  net.available(PathKind::direct);
  net.run(seconds(30));
  EXPECT_EQ(net.link(0).path(), PathKind::relay);
}

TEST(LinkSwitch, SendsNoQuicThroughTheRelayAfterBothHaveSwitched) {
  Net net;
  net.exchange_keys();
  net.chat(milliseconds(100));
  net.available(PathKind::direct);
  net.chat(milliseconds(500));
  const auto before = std::pair(net.link(0).stats(PathKind::relay).datagrams_sent,
                                net.link(1).stats(PathKind::relay).datagrams_sent);
  EXPECT_GT(before.first, 0U);
  for (const bool full_size : {false, true}) {
    net.chat(seconds(20), milliseconds(20), full_size);
    net.run(seconds(40));
  }
  EXPECT_EQ(before, std::pair(net.link(0).stats(PathKind::relay).datagrams_sent,
                              net.link(1).stats(PathKind::relay).datagrams_sent));
  EXPECT_EQ(net.end(0).delivered(), net.end(1).delivered());
}

TEST(LinkSwitch, LosesNothingWhileOneEndIsConnectedLongBeforeTheOther) {
  Net net;
  net.exchange_keys();
  net.link(0).path_available(PathKind::direct, net.now);
  net.chat(seconds(2));
  EXPECT_EQ(net.link(0).path(), PathKind::direct) << "the other end answers even so";
  net.link(1).path_available(PathKind::direct, net.now);
  net.chat(seconds(1));
  net.run(seconds(1));
  EXPECT_EQ(net.link(1).path(), PathKind::direct);
  EXPECT_EQ(net.end(0).unacknowledged() + net.end(1).unacknowledged(), 0U);
  EXPECT_EQ(net.end(0).changes.size() + net.end(1).changes.size(), 2U) << "nobody fell back meanwhile";
}

TEST(LinkSwitch, IsToldOfASwitchAndProbesAtOnce) {
  Net net;
  net.exchange_keys();
  net.lane(PathKind::direct, 1).up = false;  // our answers and probes do not leave end 1
  net.available(PathKind::direct);
  net.run(seconds(20));
  ASSERT_EQ(net.link(0).path(), PathKind::relay);
  net.lane(PathKind::direct, 1).up = true;
  // Both probe every 5 s by now. Whoever is answered first says so, which the other does not wait out.
  ASSERT_TRUE(net.run_while(
      [&] { return net.link(0).path() == PathKind::relay && net.link(1).path() == PathKind::relay; },
      seconds(6)));
  net.run(milliseconds(300));
  EXPECT_EQ(net.link(0).path(), PathKind::direct);
  EXPECT_EQ(net.link(1).path(), PathKind::direct);
}

TEST(LinkSwitch, FallsBackAtOnceWhenIceFailsAndKicksBothEnds) {
  Net net;
  net.settle_on_direct();
  net.set_up(PathKind::direct, false);
  net.link(0).path_lost(PathKind::direct, net.now, "ICE failed");
  EXPECT_EQ(net.link(0).path(), PathKind::relay);
  EXPECT_EQ(net.end(0).changes.back(), "direct>relay: ICE failed");
  EXPECT_EQ(net.end(0).kicks, 1U);
  net.run(milliseconds(21));
  EXPECT_EQ(net.link(1).path(), PathKind::relay);
  EXPECT_EQ(net.end(1).changes.back(), "direct>relay: the other end left it");
  EXPECT_EQ(net.end(1).kicks, 1U);
  EXPECT_EQ(net.link(1).stats(PathKind::direct).demotions, 1U);
}

TEST(LinkSwitch, LeavesTheDeadPathEvenWhenSwitchedIsLostAtFirst) {
  Net net;
  net.settle_on_direct();
  net.lane(PathKind::direct, 1).up = false;  // end 0 hears nothing, end 1 sees nothing wrong
  net.lane(PathKind::relay, 0).loss = 1;
  net.end(0).write(1);
  ASSERT_TRUE(net.run_while([&] { return net.link(0).path() == PathKind::direct; }, seconds(2)));
  net.run(milliseconds(50));
  EXPECT_EQ(net.link(1).path(), PathKind::direct);
  net.lane(PathKind::relay, 0).loss = 0;
  net.run(milliseconds(100));
  EXPECT_EQ(net.link(1).path(), PathKind::relay) << "said again after 100 ms";
}

TEST(LinkSwitch, NoticesBySilenceThatTheOtherEndSendsElsewhere) {
  Net net;
  net.settle_on_direct();
  // Right after a heartbeat of end 1, so that the next one is not what finds it.
  const auto heartbeats = net.link(1).stats(PathKind::direct).probes_sent;
  const auto waiting = [&] { return net.link(1).stats(PathKind::direct).probes_sent == heartbeats; };
  ASSERT_TRUE(net.run_while(waiting, seconds(6)));
  net.run(milliseconds(20));
  net.lane(PathKind::direct, 1).up = false;
  net.lane(PathKind::relay, 0).loss = 1;
  net.end(0).write(1);
  ASSERT_TRUE(net.run_while([&] { return net.link(0).path() == PathKind::direct; }, seconds(2)));
  net.run(seconds(1));  // every repetition of `switched` is lost
  net.lane(PathKind::relay, 0).loss = 0;
  ASSERT_EQ(net.link(1).path(), PathKind::direct);
  ASSERT_NE(net.end(0).unacknowledged(), 0U);
  net.end(0).write(1);
  EXPECT_TRUE(net.run_while([&] { return net.end(0).unacknowledged() != 0; }, seconds(1)));
}

TEST(LinkSwitch, TellsThePeerAgainWhenTheRelayIsBack) {
  Net net;
  net.settle_on_direct();
  net.link(0).path_available(PathKind::turn, net.now);
  net.link(1).path_available(PathKind::turn, net.now);
  net.run(seconds(1));
  net.end(0).tap = true;
  net.link(0).path_lost(PathKind::relay, net.now, "relay gone");
  net.run(seconds(1));
  net.end(0).tapped.clear();
  net.link(0).path_available(PathKind::relay, net.now);
  ASSERT_FALSE(net.end(0).tapped.empty());
  EXPECT_EQ(net.end(0).tapped.front()[0], 0x83);
}

TEST(LinkSwitch, StaysOnDirectWhenTheRelayGoes) {
  Net net;
  net.settle_on_direct();
  net.lost(PathKind::relay);
  net.chat(seconds(20));
  EXPECT_EQ(net.link(0).path(), PathKind::direct);
  EXPECT_EQ(net.end(0).changes.size(), 1U);
  EXPECT_EQ(net.link(0).route().also, std::nullopt);
}

TEST(LinkSwitch, KeepsADeadPathWhileThereIsNoOtherAndTakesTheRelayOnceItIsThere) {
  Net net;
  net.settle_on_direct();
  net.lost(PathKind::relay);
  net.set_up(PathKind::direct, false);
  net.end(0).write(1);
  net.run(seconds(5));
  EXPECT_EQ(net.link(0).path(), PathKind::direct);
  EXPECT_EQ(net.link(0).stats(PathKind::direct).state, PathState::dead);
  net.available(PathKind::relay);
  EXPECT_EQ(net.link(0).path(), PathKind::relay);
  EXPECT_EQ(net.end(0).changes.back(), "direct>relay: silent");
  EXPECT_EQ(net.end(0).kicks, 1U);
  net.run(milliseconds(50));
  EXPECT_EQ(net.end(0).unacknowledged(), 0U);
}

TEST(LinkSwitch, PrefersTurnToTheRelayUnlessTheRelayIsQuicker) {
  Net near;
  near.exchange_keys();
  near.available(PathKind::turn);
  near.run(seconds(1));
  EXPECT_EQ(near.link(0).path(), PathKind::turn);

  Net far;
  for (int index = 0; index < 2; ++index) far.lane(PathKind::turn, index).latency = milliseconds(60);
  far.exchange_keys();
  far.available(PathKind::turn);
  far.run(minutes(3));
  EXPECT_EQ(far.link(0).path(), PathKind::relay);
  EXPECT_EQ(far.link(0).stats(PathKind::turn).state, PathState::alive);
  EXPECT_EQ(far.link(1).switches(), 0U);
}

TEST(LinkSwitch, ClimbsFromTurnToDirect) {
  Net net;
  net.exchange_keys();
  net.available(PathKind::turn);
  net.run(seconds(1));
  net.available(PathKind::direct);
  net.run(seconds(1));
  EXPECT_EQ(net.link(0).path(), PathKind::direct);
  EXPECT_EQ(net.end(0).kicks, 0U);
}

TEST(LinkSwitch, FollowsAPairOfTheOtherKindWithoutTheRelay) {
  Net net;
  net.exchange_keys();
  net.available(PathKind::turn);
  net.chat(seconds(1));
  ASSERT_EQ(net.link(0).path(), PathKind::turn);
  for (int index = 0; index < 2; ++index) {
    net.link(index).path_replaced(PathKind::turn, PathKind::direct, net.now);
    EXPECT_EQ(net.link(index).route().primary, PathKind::direct);
    EXPECT_EQ(net.link(index).route().also, PathKind::relay) << "until it has answered";
  }
  net.chat(milliseconds(40));
  for (int index = 0; index < 2; ++index) {
    EXPECT_EQ(net.link(index).route().also, std::nullopt);
    EXPECT_EQ(net.end(index).changes.back(), "turn>direct: another pair was selected");
    EXPECT_EQ(net.end(index).changes.size(), 2U);
    EXPECT_EQ(net.end(index).kicks, 0U);
    EXPECT_EQ(net.link(index).stats(PathKind::turn).demotions, 0U);
    EXPECT_EQ(net.link(index).stats(PathKind::turn).state, PathState::down);
  }
}

TEST(LinkSwitch, GivesUpAPairOfTheOtherKindThatDoesNotAnswer) {
  Net net;
  net.settle_on_direct();
  net.set_up(PathKind::turn, false);
  net.link(0).path_replaced(PathKind::direct, PathKind::turn, net.now);
  net.chat(seconds(3));
  net.run(seconds(1));
  EXPECT_EQ(net.link(0).path(), PathKind::relay);
  EXPECT_EQ(net.end(0).unacknowledged() + net.end(1).unacknowledged(), 0U);
}

TEST(LinkSwitch, DoesNotReviveADeadPathByReplacingItsPair) {
  Net net;
  net.exchange_keys();
  net.available(PathKind::direct);
  net.run(seconds(1));
  net.set_up(PathKind::direct, false);
  net.end(0).write(1);
  net.run(seconds(2));
  ASSERT_EQ(net.link(0).path(), PathKind::relay);
  net.link(0).path_replaced(PathKind::direct, PathKind::turn, net.now);
  EXPECT_EQ(net.link(0).path(), PathKind::relay);
  net.run(seconds(1));
  EXPECT_EQ(net.link(0).path(), PathKind::turn);
}

// Someone who switches direct paths off and on says nothing about the path.
TEST(LinkSwitch, TakesAWithdrawnPathAgainHoweverOften) {
  Net net;
  net.settle_on_direct();
  for (int time = 0; time < 10; ++time) {
    for (int index = 0; index < 2; ++index)
      net.link(index).path_withdrawn(PathKind::direct, net.now, "disabled");
    ASSERT_EQ(net.link(0).path(), PathKind::relay);
    EXPECT_EQ(net.end(0).changes.back(), "direct>relay: disabled");
    net.run(seconds(1));
    net.available(PathKind::direct);
    net.run(seconds(1));
    ASSERT_EQ(net.link(0).path(), PathKind::direct) << time;
    EXPECT_EQ(net.link(0).flapping(net.now), WhyNotDirect::none);
  }
  EXPECT_EQ(net.link(0).stats(PathKind::direct).demotions, 0U);
}

// Both paths up and alternating at a whim: nothing is lost and no packet waits long.
TEST(LinkSwitch, CarriesEverythingThroughAThousandFlips) {
  Net net(7);
  net.settle_on_direct();
  for (int flip = 0; flip < 500; ++flip) {
    net.link(flip % 2).path_lost(PathKind::direct, net.now, "test");
    net.chat(milliseconds(100), milliseconds(10));
    net.link(0).network_changed(net.now);
    net.link(1).network_changed(net.now);
    net.link(flip % 2).path_available(PathKind::direct, net.now);
    net.chat(milliseconds(600), milliseconds(10));
    ASSERT_EQ(net.link(0).path(), PathKind::direct) << flip;
    ASSERT_EQ(net.link(1).path(), PathKind::direct) << flip;
  }
  net.run(seconds(1));
  EXPECT_EQ(net.end(0).unacknowledged() + net.end(1).unacknowledged(), 0U);
  EXPECT_EQ(net.link(0).switches(), 1'001U);
}

}  // namespace
}  // namespace p2pd::peer
