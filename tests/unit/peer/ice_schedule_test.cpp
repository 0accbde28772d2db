#include "peer/ice_schedule.hpp"

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using std::chrono::seconds;

TEST(IceSchedule, WaitsLongerAndLongerUpToFiveMinutes) {
  IceSchedule schedule;
  for (const int wait : {0, 3, 6, 12, 60, 120, 240, 300, 300, 300}) EXPECT_EQ(schedule.next(), seconds(wait));
}

TEST(IceSchedule, StartsOverWhenReset) {
  IceSchedule schedule;
  for (int i = 0; i < 6; ++i) static_cast<void>(schedule.next());
  schedule.reset();
  EXPECT_EQ(schedule.tries(), 0U);
  EXPECT_EQ(schedule.next(), seconds(0));
  EXPECT_EQ(schedule.next(), seconds(3));
  EXPECT_EQ(schedule.tries(), 2U);
}

TEST(IceSchedule, StaysAtItsSlowestForEver) {
  IceSchedule schedule;
  for (int i = 0; i < 100'000; ++i) static_cast<void>(schedule.next());
  EXPECT_EQ(schedule.next(), seconds(300));
}

}  // namespace
}  // namespace p2pd::peer
