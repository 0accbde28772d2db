// One path by itself, where the tests of the whole Link cannot choose which of its probes are answered.
#include "peer/link_path.hpp"

#include <optional>

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LinkPathTest : public testing::Test {
 protected:
  // Sends what is due until `duration` is over; probe number n is answered after 10 ms where `answered(n)`.
  template <class Answered>
  void run(base::Duration duration, Answered answered) {
    const base::TimePoint end = now_ + duration;
    for (; now_ < end; now_ += milliseconds(10)) {
      if (waiting_) {
        EXPECT_TRUE(path_.on_answer(nonce(*waiting_), size_, now_));
        waiting_.reset();
      }
      while (path_.update(now_, {}) != LinkPath::Change::none) {
      }
      while (const auto size = path_.take_probe(now_, {})) {
        path_.probe_sent(nonce(++probes_), *size, now_);
        size_ = *size;
        if (answered(probes_)) waiting_ = probes_;
      }
      EXPECT_GT(path_.deadline({}), now_);
    }
  }
  static proto::LinkNonce nonce(unsigned number) { return {static_cast<std::uint8_t>(number)}; }

  // Proven once, used, and left because it died.
  void demote() {
    path_.available(now_);
    run(milliseconds(100), [](unsigned) { return true; });
    path_.enter_use(now_);
    path_.condemn(now_);
    path_.demoted(now_);
    path_.leave_use();
  }

  base::TimePoint now_{std::chrono::hours(1)};
  LinkPath path_{PathKind::direct, now_};
  unsigned probes_ = 0;
  std::size_t size_ = 0;
  std::optional<unsigned> waiting_;
};

TEST_F(LinkPathTest, IsSteadyAfterItsFirstAnswer) {
  path_.available(now_);
  EXPECT_EQ(path_.state(), PathState::probing);
  EXPECT_FALSE(path_.view().steady);
  run(milliseconds(20), [](unsigned) { return true; });
  EXPECT_EQ(path_.state(), PathState::alive);
  EXPECT_TRUE(path_.view().steady);
}

TEST_F(LinkPathTest, IsNotSteadyAfterADemotionWhileEveryOtherProbeIsLost) {
  demote();
  run(seconds(10), [](unsigned number) { return number % 2 == 0; });
  EXPECT_EQ(path_.state(), PathState::alive);
  EXPECT_FALSE(path_.view().steady);
}

TEST_F(LinkPathTest, IsNotSteadyAfterADemotionWhileEveryThirdProbeIsLost) {
  demote();
  run(seconds(10), [](unsigned number) { return number % 3 != 0; });
  EXPECT_FALSE(path_.view().steady);
  run(seconds(1), [](unsigned) { return true; });
  EXPECT_TRUE(path_.view().steady);
}

TEST_F(LinkPathTest, IsSteadyAfterADemotionOnceThreeInARowAreAnswered) {
  demote();
  const unsigned before = probes_;
  while (!path_.view().steady && probes_ < before + 10) run(milliseconds(10), [](unsigned) { return true; });
  EXPECT_EQ(probes_ - before, 3U);
}

TEST_F(LinkPathTest, IsHastenedOnceIn200Milliseconds) {
  demote();
  const unsigned before = probes_;
  for (int i = 0; i < 20; ++i) {
    path_.hasten(now_);
    run(milliseconds(10), [](unsigned) { return false; });
  }
  EXPECT_EQ(probes_ - before, 0U) << "condemned just now";
  path_.hasten(now_);
  run(milliseconds(10), [](unsigned) { return false; });
  EXPECT_EQ(probes_ - before, 1U);
}

TEST_F(LinkPathTest, TakesNoAnswerTwice) {
  path_.available(now_);
  const auto size = path_.take_probe(now_, {});
  ASSERT_TRUE(size);
  path_.probe_sent(nonce(1), *size, now_);
  EXPECT_FALSE(path_.on_answer(nonce(2), *size, now_));
  EXPECT_FALSE(path_.on_answer(nonce(1), *size - 1, now_)) << "cut short on the way";
  EXPECT_TRUE(path_.on_answer(nonce(1), *size, now_));
  EXPECT_FALSE(path_.on_answer(nonce(1), *size, now_));
  EXPECT_EQ(path_.stats().probes_answered, 1U);
}

TEST_F(LinkPathTest, ForgetsItsProbesWhenLost) {
  path_.available(now_);
  const auto size = path_.take_probe(now_, {});
  path_.probe_sent(nonce(1), *size, now_);
  path_.lost();
  EXPECT_FALSE(path_.on_answer(nonce(1), *size, now_));
  EXPECT_EQ(path_.deadline({}), base::kNever);
  path_.available(now_);
  EXPECT_FALSE(path_.on_answer(nonce(1), *size, now_));
  EXPECT_EQ(path_.state(), PathState::probing);
}

}  // namespace
}  // namespace p2pd::peer
