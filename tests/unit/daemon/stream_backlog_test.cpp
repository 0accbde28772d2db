#include "daemon/stream_backlog.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

using namespace std::chrono_literals;

class StreamBacklogTest : public testing::Test {
 protected:
  static StreamNumber number(std::size_t i) { return StreamNumber{i}; }
  bool add(std::size_t stream) { return backlog_.add(number(stream), now_); }
  std::vector<StreamNumber> expire() { return backlog_.expire(now_); }

  StreamBacklog backlog_;
  base::TimePoint now_ = base::TimePoint(1h);
};

using Streams = std::vector<StreamNumber>;

TEST_F(StreamBacklogTest, EachStreamExpiresFiveSecondsAfterItCameWhateverComesAfterIt) {
  for (std::size_t stream = 1; stream <= 4; ++stream) {
    ASSERT_TRUE(add(stream));
    now_ += 1s;
  }
  now_ += 999ms;  // 4.999 s after the first
  EXPECT_EQ(expire(), Streams{});
  for (std::size_t stream = 1; stream <= 4; ++stream) {
    EXPECT_EQ(backlog_.deadline(now_), now_ + 1ms);
    now_ += 1ms;
    EXPECT_EQ(expire(), Streams{number(stream)});
    now_ += 999ms;
  }
  EXPECT_TRUE(backlog_.empty());
  EXPECT_EQ(backlog_.deadline(now_), base::kNever);
}

TEST_F(StreamBacklogTest, AStreamThatComesBackHasOnlyTheTimeItHasLeft) {
  const base::TimePoint came = now_;
  now_ += 3s;
  ASSERT_TRUE(add(2));
  ASSERT_TRUE(backlog_.add(number(1), came));
  EXPECT_EQ(backlog_.deadline(now_), came + 5s);
  now_ = came + 5s;
  EXPECT_EQ(expire(), Streams{number(1)});
  EXPECT_EQ(backlog_.deadline(now_), came + 8s);
}

TEST_F(StreamBacklogTest, IsKnownForFiveSecondsAfterTheLastListenerNotAfterTheLastStream) {
  EXPECT_FALSE(backlog_.known(now_));
  backlog_.listener_gone(now_);
  const base::TimePoint gone = now_;
  EXPECT_EQ(backlog_.deadline(now_), gone + 5s);
  now_ += 4s;
  ASSERT_TRUE(add(1));
  EXPECT_TRUE(backlog_.known(now_));
  now_ += 1s;
  EXPECT_FALSE(backlog_.known(now_));
  EXPECT_EQ(expire(), Streams{});
  EXPECT_EQ(backlog_.deadline(now_), gone + 9s);
}

TEST_F(StreamBacklogTest, SixteenWaitAndOneMoreIsOneTooMany) {
  for (std::size_t stream = 1; stream <= StreamBacklog::kMost; ++stream) EXPECT_TRUE(add(stream));
  EXPECT_FALSE(add(17));
  backlog_.remove(number(3));
  EXPECT_TRUE(add(17));
}

TEST_F(StreamBacklogTest, TheFirstThatIsWantedGoesToAListenerAndTheOthersKeepWaiting) {
  ASSERT_TRUE(add(1) && add(2) && add(3));
  EXPECT_EQ(backlog_.take([](StreamNumber stream) { return stream != number(1); }), number(2));
  EXPECT_EQ(backlog_.take([](StreamNumber) { return false; }), std::nullopt);
  now_ += 5s;
  EXPECT_EQ(expire(), (Streams{number(1), number(3)}));
}

}  // namespace
}  // namespace p2pd::daemon
