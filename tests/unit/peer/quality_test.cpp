#include "peer/quality.hpp"

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

std::array<base::Duration, kPathKinds> times(base::Duration direct, base::Duration turn,
                                             base::Duration relay) {
  return {direct, turn, relay};
}

TEST(PathClock, CountsTheTimeOnEachPath) {
  const base::TimePoint start{};
  PathClock clock;
  EXPECT_EQ(clock.times(start + 5s), times(0s, 0s, 0s));
  clock.move_to(PathKind::relay, start + 1s);
  clock.move_to(PathKind::direct, start + 3s);
  clock.move_to(PathKind::direct, start + 4s);
  EXPECT_EQ(clock.times(start + 10s), times(7s, 0s, 2s));
  clock.move_to(PathKind::relay, start + 10s);
  clock.move_to(std::nullopt, start + 11s);
  EXPECT_EQ(clock.times(start + 60s), times(7s, 0s, 3s));
}

TEST(PathClock, StartsAnewForANewAttempt) {
  const base::TimePoint start{};
  PathClock clock;
  clock.move_to(PathKind::turn, start);
  clock.restart(start + 4s);
  EXPECT_EQ(clock.times(start + 6s), times(0s, 2s, 0s));
}

}  // namespace
}  // namespace p2pd::peer
