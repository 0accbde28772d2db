#include "peer/packet_size.hpp"

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr milliseconds kTimeout{250};

// A path that takes datagrams of up to `mtu` bytes and answers after 10 ms; steps from deadline to deadline.
class PacketSizeTest : public testing::Test {
 protected:
  void run(std::size_t mtu, base::Duration duration, bool small_pass = true) {
    const base::TimePoint end = now_ + duration;
    for (;;) {
      while (const auto probe = size_.take_probe(now_, kTimeout)) {
        ++probes_;
        const base::TimePoint sent = now_;
        if (*probe == size_.payload() && small_pass) size_.on_answered(36, sent, now_ + milliseconds(10));
        if (*probe <= mtu) size_.on_answered(*probe, sent, now_ += milliseconds(10));
      }
      if (size_.expire(now_, kTimeout)) ++black_holes_;
      const base::TimePoint next = size_.deadline();
      if (next > end) break;
      if (next > now_) now_ = next;
    }
    now_ = end;
  }

  PacketSize size_;
  base::TimePoint now_{};
  int probes_ = 0;
  int black_holes_ = 0;
};

TEST_F(PacketSizeTest, StartsAtTheBaseAndSearchesOnlyOnceStarted) {
  EXPECT_EQ(size_.payload(), 1'202U);
  run(9'000, minutes(60));
  EXPECT_EQ(size_.payload(), 1'202U);
  EXPECT_EQ(probes_, 0);
}

TEST_F(PacketSizeTest, FindsTheLargestStepThePathTakes) {
  for (const auto& [mtu, found] : {std::pair{1'250, 1'202},
                                   {1'280, 1'280},
                                   {1'399, 1'280},
                                   {1'400, 1'400},
                                   {1'472, 1'452},
                                   {8'899, 1'452},
                                   {65'000, 8'900}}) {
    size_.start(now_);
    run(static_cast<std::size_t>(mtu), minutes(1));
    EXPECT_EQ(size_.payload(), static_cast<std::size_t>(found)) << "path of " << mtu;
  }
}

TEST_F(PacketSizeTest, GivesUpOnASizeAfterThreeLossesAndTriesAgainAfterTenMinutes) {
  size_.start(now_);
  run(1'300, minutes(9));
  EXPECT_EQ(probes_, 1 + 3);
  EXPECT_EQ(size_.payload(), 1'280U);
  run(1'500, minutes(2));
  EXPECT_EQ(size_.payload(), 1'452U);
}

TEST_F(PacketSizeTest, NeverProbesAgainAtTheLargestSize) {
  size_.start(now_);
  run(9'000, minutes(60));
  EXPECT_EQ(size_.payload(), 8'900U);
  EXPECT_EQ(probes_, 4);
  EXPECT_EQ(size_.deadline(), base::kNever);
}

TEST_F(PacketSizeTest, RestsAtOnceWhenASearchProbeIsTooBigForTheInterface) {
  size_.start(now_);
  run(1'280, milliseconds(0));
  ASSERT_EQ(size_.payload(), 1'280U);
  EXPECT_FALSE(size_.on_too_big(1'400, now_));
  EXPECT_EQ(size_.payload(), 1'280U);
  EXPECT_EQ(size_.deadline(), now_ + minutes(10));
}

TEST_F(PacketSizeTest, FallsBackToTheBaseWhenAPacketInUseIsTooBig) {
  size_.start(now_);
  run(1'452, minutes(1));
  ASSERT_EQ(size_.payload(), 1'452U);
  EXPECT_TRUE(size_.on_too_big(1'452, now_));
  EXPECT_EQ(size_.payload(), 1'202U);
  EXPECT_EQ(size_.deadline(), now_ + minutes(10));
  EXPECT_FALSE(size_.on_too_big(1'202, now_)) << "there is nothing below the base";
  run(1'452, minutes(11));
  EXPECT_EQ(size_.payload(), 1'452U);
}

TEST_F(PacketSizeTest, FallsBackAfterTwoLossesOfFullSizeWhileSmallOnesPass) {
  size_.start(now_);
  run(1'452, minutes(1));
  size_.check(now_, kTimeout);
  EXPECT_FALSE(size_.in_doubt());
  run(1'300, milliseconds(250));
  EXPECT_TRUE(size_.in_doubt()) << "one loss";
  EXPECT_EQ(size_.payload(), 1'452U);
  run(1'300, milliseconds(250));
  EXPECT_EQ(black_holes_, 1);
  EXPECT_EQ(size_.payload(), 1'202U);
  EXPECT_FALSE(size_.in_doubt());
}

TEST_F(PacketSizeTest, KeepsItsSizeWhenSmallOnesAreLostToo) {
  size_.start(now_);
  run(1'452, minutes(1));
  size_.check(now_, kTimeout);
  run(0, milliseconds(600), false);
  EXPECT_EQ(black_holes_, 0);
  EXPECT_EQ(size_.payload(), 1'452U);
  EXPECT_FALSE(size_.in_doubt());
}

TEST_F(PacketSizeTest, KeepsItsSizeWhenTheSecondRoundIsAnswered) {
  size_.start(now_);
  run(1'452, minutes(1));
  size_.check(now_, kTimeout);
  run(1'300, milliseconds(249));
  now_ += milliseconds(1);
  run(1'452, milliseconds(300));
  EXPECT_EQ(black_holes_, 0);
  EXPECT_EQ(size_.payload(), 1'452U);
  EXPECT_FALSE(size_.in_doubt());
}

TEST_F(PacketSizeTest, ChecksNothingAtTheBase) {
  size_.start(now_);
  run(1'202, minutes(1));
  probes_ = 0;
  size_.check(now_, kTimeout);
  run(1'202, minutes(1));
  EXPECT_EQ(probes_, 0);
}

TEST_F(PacketSizeTest, ForgetsWhatItFoundWhenStoppedOrStartedAgain) {
  size_.start(now_);
  run(1'452, minutes(1));
  size_.stop();
  EXPECT_EQ(size_.payload(), 1'202U);
  EXPECT_EQ(size_.deadline(), base::kNever);
  size_.on_answered(1'400, now_, now_);
  EXPECT_EQ(size_.payload(), 1'202U) << "an answer that comes late";
}

}  // namespace
}  // namespace p2pd::peer
