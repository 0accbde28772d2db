#include "peer/arbiter.hpp"

#include <array>
#include <chrono>

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

TEST(Arbiter, IsTheLowerId) {
  const base::PeerId low(std::array<std::uint8_t, 32>{1});
  const base::PeerId high(std::array<std::uint8_t, 32>{2});
  EXPECT_EQ(role_of(low, high), Role::arbiter);
  EXPECT_EQ(role_of(high, low), Role::other);
}

TEST(Arbiter, KeepsTheFirstConnection) { EXPECT_TRUE(arbiter_keeps(1, std::nullopt)); }

TEST(Arbiter, KeepsWhatBeganAfterThePresentOneWasKept) { EXPECT_TRUE(arbiter_keeps(5, 4)); }

TEST(Arbiter, RefusesADialThatCrossedThePresentOne) { EXPECT_FALSE(arbiter_keeps(3, 4)); }

TEST(Arbiter, OnlyTheOtherMustNotAbandonAnAnsweredDial) {
  EXPECT_TRUE(may_abandon_dial(Role::arbiter, true));
  EXPECT_TRUE(may_abandon_dial(Role::other, false));
  EXPECT_FALSE(may_abandon_dial(Role::other, true));
}

TEST(InboundGate, ReplacesPendingHandshakesAtABoundedRate) {
  InboundGate gate;
  const base::TimePoint start{};
  EXPECT_TRUE(gate.admit(false, start));
  int admitted = 0;
  for (int i = 0; i < 1'000; ++i) admitted += gate.admit(true, start + i * 1ms) ? 1 : 0;
  EXPECT_EQ(admitted, 4 + 3);
  EXPECT_TRUE(gate.admit(true, start + 10s));
}

TEST(InboundGate, AFreeSlotCostsNothing) {
  InboundGate gate;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(gate.admit(false, base::TimePoint{}));
  EXPECT_TRUE(gate.admit(true, base::TimePoint{}));
}

}  // namespace
}  // namespace p2pd::peer
