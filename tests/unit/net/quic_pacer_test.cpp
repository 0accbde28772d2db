#include "net/quic_pacer.hpp"

#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
// 10 Mbit/s and 50 ms: 62,500 bytes fit into the path.
constexpr QuicPacer::Rate kSlow{0.00125, 50 * kMs, 1'250'000};
constexpr QuicPacer::Rate kFast{0.125, 50 * kMs, 125'000'000};

TEST(QuicPacer, EndsABurstAfterTenPacketsOnASlowPath) {
  QuicPacer pacer;
  for (int i = 0; i < 9; ++i) pacer.add(1'400);
  EXPECT_FALSE(pacer.burst_over(1'400, kSlow));
  pacer.add(1'400);
  EXPECT_TRUE(pacer.long_burst(1'400));
  EXPECT_TRUE(pacer.burst_over(1'400, kSlow));
  EXPECT_FALSE(pacer.burst_over(1'400, kFast));
  for (int i = 0; i < 40; ++i) pacer.add(1'400);
  EXPECT_TRUE(pacer.burst_over(1'400, kFast));
}

TEST(QuicPacer, HoldsTheRateWhenEveryBurstGoesAMillisecondEarly) {
  QuicPacer pacer;
  QuicClock::Stamp now = 1'000 * kMs;
  const QuicClock::Stamp start = now;
  std::size_t sent = 0;
  while (now < start + 1'000 * kMs) {
    pacer.add(2'500);  // 2 ms at this rate
    sent += 2'500;
    const QuicClock::Stamp next = pacer.end_burst(now, kSlow) + 2 * kMs;  // what ngtcp2 makes of it
    now = std::max(now, next - kMs);
  }
  EXPECT_NEAR(static_cast<double>(sent), 1'250'000, 10'000);
}

TEST(QuicPacer, HoldsNoDebtOfAcknowledgementsAgainstData) {
  QuicPacer pacer;
  const QuicClock::Stamp now = 1'000 * kMs;
  for (int i = 0; i < 1'000; ++i) {
    pacer.add(60);
    EXPECT_LE(pacer.end_burst(now, kSlow), now + kMs);
  }
}

TEST(QuicPacer, FillsTheWindowAtTwiceThePathsCapacityAndThreeBursts) {
  QuicPacer pacer;
  EXPECT_FALSE(pacer.window_full(10'000'000, 1'400, kSlow));  // nothing is known yet
  pacer.round_trip(kMs, 50 * kMs);
  EXPECT_FALSE(pacer.window_full(2 * 62'500 + 42'000, 1'400, kSlow));
  EXPECT_TRUE(pacer.window_full(2 * 62'500 + 42'001, 1'400, kSlow));
  // A queue makes the round trip longer, not the path.
  pacer.round_trip(2 * kMs, 500 * kMs);
  EXPECT_TRUE(pacer.window_full(2 * 62'500 + 42'001, 1'400, kSlow));
  pacer.forget_round_trips();
  EXPECT_FALSE(pacer.window_full(10'000'000, 1'400, kSlow));
}

TEST(QuicPacer, ForgetsAShortRoundTripAfterTenSeconds) {
  QuicPacer pacer;
  pacer.round_trip(kMs, 10 * kMs);
  const std::uint64_t flying = 2 * 12'500 + 42'001;
  for (std::uint64_t ms = 100; ms <= 5'000; ms += 100) pacer.round_trip(ms * kMs, 100 * kMs);
  EXPECT_TRUE(pacer.window_full(flying, 1'400, kSlow));
  for (std::uint64_t ms = 5'000; ms <= 10'200; ms += 100) pacer.round_trip(ms * kMs, 100 * kMs);
  EXPECT_FALSE(pacer.window_full(flying, 1'400, kSlow));
}

TEST(QuicPacer, CallsSixteenRepeatsInThreeRoundTripsHeavyLoss) {
  QuicPacer pacer;
  const std::uint64_t trip = 50 * kMs;
  for (std::uint64_t i = 0; i < 15; ++i) pacer.repeated(1'000 * kMs + i * kMs);
  EXPECT_FALSE(pacer.heavy_loss(1'020 * kMs, trip));
  pacer.repeated(1'020 * kMs);
  EXPECT_TRUE(pacer.heavy_loss(1'020 * kMs, trip));
  EXPECT_TRUE(pacer.heavy_loss(1'149 * kMs, trip));
  EXPECT_FALSE(pacer.heavy_loss(1'150 * kMs, trip));
  EXPECT_EQ(pacer.repeat_count(), 16u);
}

}  // namespace
}  // namespace p2pd::net
