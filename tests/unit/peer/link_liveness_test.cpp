// What the Link does about silence: the numbers of docs/architecture.md, each with both ends in play.
#include <gtest/gtest.h>

#include "link_net.hpp"

namespace p2pd::peer {
namespace {

using namespace test;

// On direct, quiet for the time being and with nothing due soon.
class LinkLiveness : public testing::Test {
 protected:
  void SetUp() override {
    net_.settle_on_direct();
    cut_at_ = net_.now;
  }
  void cut() {
    net_.set_up(kDirect, false);
    cut_at_ = net_.now;
  }
  void run_to(base::Duration since_cut) { net_.run_until(cut_at_ + since_cut); }
  // Both ends keep sending until `until`; then what is in flight arrives.
  void rest() { net_.run(seconds(1)); }

  Net net_{3};
  base::TimePoint cut_at_{};
};

TEST_F(LinkLiveness, ProbesAndCopiesToTheRelayAfter250MillisecondsOfSilence) {
  cut();
  net_.end(0).write(1);
  run_to(milliseconds(249));
  EXPECT_EQ(net_.link(0).route().also, std::nullopt);
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::alive);
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  run_to(milliseconds(250));
  EXPECT_EQ(net_.link(0).route().primary, kDirect);
  EXPECT_EQ(net_.link(0).route().also, kRelay);
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::suspect);
  EXPECT_GT(net_.link(0).stats(kDirect).probes_sent, probes);
}

TEST_F(LinkLiveness, GoesToTheRelayAfter750MillisecondsOfSilence) {
  cut();
  net_.end(0).write(1);
  run_to(milliseconds(749));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  run_to(milliseconds(750));
  EXPECT_EQ(net_.link(0).path(), kRelay);
  EXPECT_EQ(net_.link(0).route().also, std::nullopt);
  EXPECT_EQ(net_.end(0).changes.back(), "direct>relay: silent");
  EXPECT_EQ(net_.end(0).kicks, 1U);
  EXPECT_EQ(net_.link(0).stats(kDirect).demotions, 1U);
  run_to(milliseconds(775));
  EXPECT_EQ(net_.link(1).path(), kRelay) << "told by `switched`";
  EXPECT_EQ(net_.end(1).kicks, 1U);
}

TEST_F(LinkLiveness, StallsTrafficForLessThanASecondWhenThePathDies) {
  for (int round = 0; round < 2; ++round) {
    net_.chat(seconds(2));
    cut();
    base::TimePoint last = net_.now;
    std::size_t had = net_.end(1).delivered();
    base::Duration worst{};
    for (int i = 0; i < 200; ++i) {
      net_.end(0).write(1);
      net_.run(milliseconds(10));
      if (net_.end(1).delivered() != had) last = net_.now;
      had = net_.end(1).delivered();
      worst = std::max(worst, net_.now - last);
    }
    EXPECT_LT(worst, seconds(1));
    net_.set_up(kDirect, true);
    net_.chat(seconds(10));
    rest();
    EXPECT_EQ(net_.link(0).path(), kDirect);
    EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
  }
}

TEST_F(LinkLiveness, WaitsFourAndSixRoundTripsWhereThosesAreLonger) {
  Net net;
  for (int index = 0; index < 2; ++index) net.lane(kDirect, index).latency = milliseconds(100);
  net.settle_on_direct();
  net.run(seconds(1));
  net.set_up(kDirect, false);
  const base::TimePoint start = net.now;
  net.end(0).write(1);
  net.run_until(start + milliseconds(799));
  EXPECT_EQ(net.link(0).stats(kDirect).state, PathState::alive);
  net.run_until(start + milliseconds(800));
  EXPECT_EQ(net.link(0).stats(kDirect).state, PathState::suspect);
  net.run_until(start + milliseconds(1'199));
  EXPECT_EQ(net.link(0).path(), kDirect);
  net.run_until(start + milliseconds(1'200));
  EXPECT_EQ(net.link(0).path(), kRelay);
}

TEST_F(LinkLiveness, StaysOnAPathThatComesBackInTime) {
  cut();
  net_.end(0).write(1);
  run_to(milliseconds(600));
  net_.set_up(kDirect, true);
  net_.run(seconds(2));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::alive);
  EXPECT_EQ(net_.link(0).route().also, std::nullopt);
  EXPECT_EQ(net_.link(0).stats(kDirect).demotions, 0U);
  EXPECT_EQ(net_.end(0).kicks, 0U);
}

// What is outstanding may be held back by the other end's application: that is not the path's fault.
TEST_F(LinkLiveness, DoesNotCopyToTheRelayWhenThePathIsOnlyQuiet) {
  net_.link(0).set_outstanding(true, net_.now);
  for (int i = 0; i < 1'000; ++i) {
    net_.run(milliseconds(10));
    ASSERT_EQ(net_.link(0).route().also, std::nullopt);
  }
  EXPECT_LT(net_.link(0).stats(kDirect).probes_sent, 120U);
}

TEST_F(LinkLiveness, FindsOneDirectionDeadAndSoDoesTheOtherEnd) {
  for (const int broken : {0, 1}) {
    for (const bool both_send : {false, true}) {
      Net net(5);
      net.settle_on_direct();
      net.lane(kDirect, broken).up = false;
      std::size_t had = net.end(1).delivered();
      base::TimePoint last = net.now;
      base::Duration worst{};
      for (int i = 0; i < 300; ++i) {
        net.end(0).write(1);
        if (both_send) net.end(1).write(1);
        net.run(milliseconds(10));
        if (net.end(1).delivered() != had) last = net.now;
        had = net.end(1).delivered();
        worst = std::max(worst, net.now - last);
      }
      EXPECT_LT(worst, milliseconds(900));
      EXPECT_EQ(net.link(0).path(), kRelay) << broken << both_send;
      EXPECT_EQ(net.link(1).path(), kRelay) << broken << both_send;
      net.run(seconds(20));
      EXPECT_EQ(net.end(0).unacknowledged() + net.end(1).unacknowledged(), 0U);
      EXPECT_EQ(net.link(0).path(), kRelay) << "half a path is none";
      EXPECT_EQ(net.link(1).path(), kRelay);
      net.lane(kDirect, broken).up = true;
      net.run(seconds(7));
      EXPECT_EQ(net.link(0).path(), kDirect);
      EXPECT_EQ(net.link(1).path(), kDirect);
    }
  }
}

TEST_F(LinkLiveness, GivesAPathWithLongQueuesTimeToAnswerWhileQuicComesIn) {
  // Our way out is held up by 1.5 s; the other end's traffic keeps coming.
  net_.lane(kDirect, 0).latency = milliseconds(1'500);
  net_.end(0).write(1);
  net_.run(milliseconds(300));
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::suspect);
  for (int i = 0; i < 50; ++i) {
    net_.run(milliseconds(20));
    net_.link(0).on_quic_received(kDirect, 100, true, net_.now);
    net_.link(1).on_quic_received(kDirect, 100, true, net_.now);
  }
  net_.run(seconds(1));
  EXPECT_EQ(net_.end(0).unacknowledged(), 0U);
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(0).switches(), 1U);
}

TEST_F(LinkLiveness, FindsADeadPathAtIdleByTwoMissesAndProbesBoth) {
  cut();
  net_.lane(kDirect, 0).up = net_.lane(kDirect, 1).up = false;
  const auto relay_probes = net_.link(0).stats(kRelay).probes_sent;
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).stats(kDirect).state == PathState::alive; },
                             milliseconds(5'500)));
  EXPECT_EQ(net_.link(0).stats(kRelay).probes_sent, relay_probes + 1);
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).path() == kDirect; }, milliseconds(500)));
  net_.run(milliseconds(100));
  EXPECT_EQ(net_.link(1).path(), kRelay);
}

TEST_F(LinkLiveness, SendsAHeartbeatEveryFiveSecondsAfterTraffic) {
  net_.chat(seconds(10));
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  net_.run(seconds(25));
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 5);
}

TEST_F(LinkLiveness, SendsOneHeartbeatInFifteenSecondsAtIdle) {
  net_.run(minutes(2));
  const unsigned before = net_.end(0).frames_sent;
  const PathStats direct = net_.link(0).stats(kDirect);
  const PathStats relay = net_.link(0).stats(kRelay);
  const unsigned timers = net_.end(0).timer_calls;
  net_.run(seconds(300));
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent - direct.probes_sent, 20U);
  EXPECT_EQ(net_.link(0).stats(kRelay).probes_sent - relay.probes_sent, 5U);
  EXPECT_EQ(net_.end(0).frames_sent - before, 2 * (20U + 5U)) << "and as many answers";
  EXPECT_LE(net_.end(0).timer_calls - timers, 25U);
  EXPECT_EQ(net_.link(0).switches(), 1U);
}

// Two Links that know nothing of each other, on one clock.
TEST_F(LinkLiveness, WakesUpOnWholeSecondsAtIdle) {
  Net other{4};
  other.run(milliseconds(1'337));
  other.settle_on_direct();
  for (Net* net : {&net_, &other}) {
    net->run(minutes(2));
    for (int i = 0; i < 4; ++i) {
      const base::TimePoint due = std::min(net->end(0).deadline(), net->end(1).deadline());
      EXPECT_EQ(due, std::chrono::floor<seconds>(due));
      net->run_until(due + seconds(1));
    }
  }
}

// The heartbeat of one end takes the other's along: each wakes up for both at once.
TEST_F(LinkLiveness, SendsItsHeartbeatWithTheAnswerToTheOther) {
  net_.run(seconds(4));
  net_.chat(milliseconds(100));
  net_.link(1).network_changed(net_.now);  // out of step from here
  net_.run(minutes(2));
  const auto sent = [&](int end) { return net_.link(end).stats(kDirect).probes_sent; };
  for (int i = 0; i < 5; ++i) {
    const auto first = sent(0);
    const auto second = sent(1);
    ASSERT_TRUE(net_.run_while([&] { return sent(0) == first && sent(1) == second; }, seconds(20)));
    net_.run(milliseconds(20));
    EXPECT_EQ(sent(0), first + 1);
    EXPECT_EQ(sent(1), second + 1);
  }
}

// RFC 7675: consent to send expires when nothing has proved it for 30 s.
TEST_F(LinkLiveness, SendsNothingOnAPathAfterThirtySecondsOfSilence) {
  net_.chat(milliseconds(100));
  cut();
  net_.end(0).write(1);
  run_to(milliseconds(29'900));
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::dead);
  EXPECT_TRUE(net_.end(0).expired.empty());
  run_to(milliseconds(31'000));
  EXPECT_EQ(net_.link(0).stats(kDirect).state, PathState::down);
  EXPECT_EQ(net_.end(0).expired, std::vector{kDirect});
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  net_.set_up(kDirect, true);
  net_.run(minutes(2));
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes);
  net_.available(kDirect);
  net_.run(seconds(3));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.end(0).expired.size(), 1U);
}

TEST_F(LinkLiveness, NeverGivesUpTheRelay) {
  net_.set_up(kRelay, false);
  net_.run(minutes(5));
  EXPECT_EQ(net_.link(0).stats(kRelay).state, PathState::dead);
  net_.set_up(kRelay, true);
  net_.run(minutes(1));
  EXPECT_EQ(net_.link(0).stats(kRelay).state, PathState::alive);
  EXPECT_TRUE(net_.end(0).expired.empty());
}

TEST_F(LinkLiveness, ProbesWithTheFirstSendAfterIdle) {
  net_.run(seconds(7));
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).stats(kDirect).probes_sent < 9; }, seconds(20)));
  net_.run(seconds(2));
  const auto probes = net_.link(0).stats(kDirect).probes_sent;
  net_.end(0).write(1);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 1);
  net_.run(milliseconds(100));
  net_.end(0).write(1);
  EXPECT_EQ(net_.link(0).stats(kDirect).probes_sent, probes + 1) << "not idle any more";
}

TEST_F(LinkLiveness, OutlivesNineSecondsOfBlackout) {
  net_.set_up(kRelay, false);
  cut();
  net_.end(0).write(5);
  run_to(seconds(9));
  EXPECT_GE(net_.link(0).all_paths_silent(net_.now), seconds(9));
  EXPECT_LT(net_.link(0).all_paths_silent(net_.now), seconds(15));
  net_.set_up(kDirect, true);
  net_.set_up(kRelay, true);
  EXPECT_TRUE(net_.run_while([&] { return net_.end(0).unacknowledged() != 0; }, milliseconds(1'200)))
      << "while something waits, probes come every second at least";
  EXPECT_LT(net_.link(0).all_paths_silent(net_.now), milliseconds(100));
  net_.run(seconds(8));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(1).path(), kDirect);
}

TEST_F(LinkLiveness, KicksWhenTheOnlyPathAnswersAgain) {
  net_.lost(kRelay);
  cut();
  net_.end(0).write(1);
  run_to(seconds(10));
  ASSERT_EQ(net_.end(0).kicks, 0U) << "there was nowhere to send";
  net_.set_up(kDirect, true);
  ASSERT_TRUE(net_.run_while([&] { return net_.end(0).unacknowledged() != 0; }, milliseconds(1'100)));
  EXPECT_EQ(net_.end(0).kicks, 1U);
}

// --- after a demotion ---

TEST_F(LinkLiveness, ProbesADeadPathMoreAndMoreSeldom) {
  cut();
  net_.end(0).write(1);
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).path() == kDirect; }, seconds(2)));
  const base::TimePoint dead = net_.now;
  auto count = net_.link(0).stats(kDirect).probes_sent;
  base::TimePoint last = net_.now;
  std::vector<int> gaps;
  while (net_.now < dead + seconds(30)) {
    net_.run(milliseconds(1));
    if (net_.link(0).stats(kDirect).probes_sent == count) continue;
    count = net_.link(0).stats(kDirect).probes_sent;
    gaps.push_back(static_cast<int>((net_.now - last) / milliseconds(1)));
    last = net_.now;
  }
  ASSERT_GE(gaps.size(), 6U);
  // The last probe of the suspect path went out up to 100 ms before it was given up.
  EXPECT_NEAR(gaps[0], 250, 100);
  EXPECT_EQ((std::vector<int>(gaps.begin() + 1, gaps.begin() + 7)),
            (std::vector<int>{500, 1'000, 2'000, 4'000, 5'000, 5'000}));
}

TEST_F(LinkLiveness, ClimbsBackAfterThreeAnswersOver300Milliseconds) {
  cut();
  net_.end(0).write(1);
  run_to(seconds(3));
  ASSERT_EQ(net_.link(0).path(), kRelay);
  net_.set_up(kDirect, true);
  const auto answered = net_.link(0).stats(kDirect).probes_answered;
  ASSERT_TRUE(
      net_.run_while([&] { return net_.link(0).stats(kDirect).state == PathState::dead; }, seconds(6)));
  const base::TimePoint first = net_.now;
  ASSERT_TRUE(net_.run_while([&] { return net_.link(0).path() == kRelay; }, seconds(6)));
  EXPECT_GE(net_.now - first, milliseconds(300));
  EXPECT_LE(net_.now - first, milliseconds(500));
  EXPECT_GE(net_.link(0).stats(kDirect).probes_answered - answered, 3U);
  EXPECT_EQ(net_.end(0).changes.back(), "relay>direct: probes answered");
  net_.run(milliseconds(500));
  EXPECT_EQ(net_.link(1).path(), kDirect) << "told, and probing at once";
  EXPECT_EQ(net_.end(0).kicks, 1U) << "none for climbing";
}

TEST_F(LinkLiveness, DoesNotClimbWhileAnswersAreMissing) {
  cut();
  net_.end(0).write(1);
  run_to(seconds(2));
  net_.set_up(kDirect, true);
  net_.lane(kDirect, 0).loss = net_.lane(kDirect, 1).loss = 0.6;
  net_.run(seconds(1));
  EXPECT_EQ(net_.link(0).path(), kRelay);
}

TEST_F(LinkLiveness, BarsAPathForTenMinutesAfterThreeDemotionsInFive) {
  for (int demotion = 1; demotion <= 3; ++demotion) {
    net_.set_up(kDirect, false);
    net_.chat(seconds(2));
    ASSERT_EQ(net_.link(0).path(), kRelay);
    EXPECT_EQ(net_.link(0).flapping(net_.now), demotion == 1   ? WhyNotDirect::none
                                               : demotion == 2 ? WhyNotDirect::path_flapping
                                                               : WhyNotDirect::cooldown);
    net_.set_up(kDirect, true);
    if (demotion == 3) break;
    net_.chat(seconds(20));
    ASSERT_EQ(net_.link(0).path(), kDirect);
    EXPECT_EQ(net_.link(0).flapping(net_.now), WhyNotDirect::none);
  }
  const base::TimePoint barred = net_.now;
  net_.run_until(barred + minutes(10) - seconds(3));
  for (int index = 0; index < 2; ++index) {
    EXPECT_EQ(net_.link(index).path(), kRelay);
    EXPECT_EQ(net_.link(index).flapping(net_.now), WhyNotDirect::cooldown);
    EXPECT_EQ(net_.link(index).stats(kDirect).demotions, 3U);
  }
  net_.run_until(barred + minutes(10) + seconds(1));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(1).path(), kDirect);
}

TEST_F(LinkLiveness, ForgetsDemotionsAfterFiveMinutes) {
  for (int demotion = 1; demotion <= 6; ++demotion) {
    net_.set_up(kDirect, false);
    net_.chat(seconds(2));
    net_.set_up(kDirect, true);
    net_.run(seconds(152));
    ASSERT_EQ(net_.link(0).path(), kDirect) << demotion;
  }
}

TEST_F(LinkLiveness, EndsTheCoolDownWhenTheNetworkChanges) {
  for (int demotion = 1; demotion <= 3; ++demotion) {
    net_.set_up(kDirect, false);
    net_.chat(seconds(2));
    net_.set_up(kDirect, true);
    if (demotion < 3) net_.chat(seconds(20));
  }
  net_.run(seconds(60));
  ASSERT_EQ(net_.link(0).flapping(net_.now), WhyNotDirect::cooldown);
  net_.link(0).network_changed(net_.now);
  EXPECT_EQ(net_.link(0).flapping(net_.now), WhyNotDirect::none);
  net_.run(seconds(1));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.link(1).path(), kRelay) << "its own judgement";
  // Both ways of mixed traffic work, and neither end takes the other's path for dead.
  net_.chat(seconds(20));
  rest();
  EXPECT_EQ(net_.link(0).path(), kDirect);
  EXPECT_EQ(net_.end(0).unacknowledged() + net_.end(1).unacknowledged(), 0U);
}

TEST_F(LinkLiveness, ProvesABarredPathAgainBeforeUsingIt) {
  for (int demotion = 1; demotion <= 3; ++demotion) {
    net_.set_up(kDirect, false);
    net_.chat(seconds(2));
    net_.set_up(kDirect, true);
    if (demotion < 3) net_.chat(seconds(20));
  }
  // At the end of the cool-down its last answer may be half a minute old: it died since.
  ASSERT_TRUE(net_.run_while(
      [&] { return net_.link(0).flapping(net_.now + seconds(3)) == WhyNotDirect::cooldown; }, minutes(11)));
  ASSERT_EQ(net_.link(0).stats(kDirect).state, PathState::alive);
  net_.set_up(kDirect, false);
  net_.chat(seconds(20));
  EXPECT_EQ(net_.link(0).path(), kRelay);
  EXPECT_EQ(net_.link(0).stats(kDirect).demotions, 3U);
  net_.set_up(kDirect, true);
  net_.run(seconds(7));
  EXPECT_EQ(net_.link(0).path(), kDirect);
}

TEST_F(LinkLiveness, UsesABarredPathWhenTheRelayIsGone) {
  for (int demotion = 1; demotion <= 3; ++demotion) {
    net_.set_up(kDirect, false);
    net_.chat(seconds(2));
    net_.set_up(kDirect, true);
    if (demotion < 3) net_.chat(seconds(20));
  }
  net_.run(seconds(40));
  ASSERT_EQ(net_.link(0).path(), kRelay);
  net_.lost(kRelay);
  net_.chat(seconds(2));
  EXPECT_EQ(net_.link(0).path(), kDirect);
  net_.available(kRelay);
  net_.chat(seconds(2));
  EXPECT_EQ(net_.link(0).path(), kRelay);
  EXPECT_EQ(net_.end(0).changes.back(), "direct>relay: cooling down");
}

TEST_F(LinkLiveness, ProbesEveryPathAtOnceWhenTheNetworkChanges) {
  const auto direct = net_.link(0).stats(kDirect).probes_sent;
  const auto relay = net_.link(0).stats(kRelay).probes_sent;
  net_.link(0).network_changed(net_.now);
  EXPECT_GT(net_.link(0).stats(kDirect).probes_sent, direct);
  EXPECT_GT(net_.link(0).stats(kRelay).probes_sent, relay);
  EXPECT_EQ(net_.link(0).stats(kDirect).payload_size, 1'202U);
}

TEST_F(LinkLiveness, SurvivesAProcessThatWasHeldUp) {
  net_.end(0).write(1);
  net_.run(milliseconds(15));
  // Nobody called on_time for a minute; the path is fine.
  net_.end(0).write(1);
  const base::TimePoint late = net_.now + seconds(60);
  net_.link(0).on_time(late);
  EXPECT_EQ(net_.link(0).path(), kDirect) << "asked before it is judged";
  EXPECT_GT(net_.link(0).deadline(), late);
}

TEST_F(LinkLiveness, KeepsAPathThatLosesATenth) {
  Net net(11);
  net.settle_on_direct();
  for (int index = 0; index < 2; ++index) net.lane(kDirect, index).loss = 0.1;
  net.chat(minutes(2));
  net.run(minutes(30));
  EXPECT_EQ(net.link(0).path(), kDirect);
  EXPECT_EQ(net.link(0).switches(), 1U);
  EXPECT_EQ(net.link(1).switches(), 1U);
}

}  // namespace
}  // namespace p2pd::peer
