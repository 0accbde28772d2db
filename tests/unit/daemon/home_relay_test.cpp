#include "daemon/home_relay.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

using namespace std::chrono_literals;

class HomeRelayTest : public ::testing::Test {
 protected:
  static HomeRelay::Candidate online(const char* url, std::optional<std::chrono::milliseconds> rtt) {
    return {url, true, rtt ? std::optional<base::Duration>(*rtt) : std::nullopt};
  }
  static HomeRelay::Candidate offline(const char* url) { return {url, false, std::nullopt}; }
  bool update(std::vector<HomeRelay::Candidate> relays) { return home_.update(relays, now_); }

  HomeRelay home_;
  base::TimePoint now_{};
};

TEST_F(HomeRelayTest, IsNoneBeforeOneIsOnline) {
  EXPECT_FALSE(update({offline("a"), offline("b")}));
  EXPECT_EQ(home_.url(), "");
}

TEST_F(HomeRelayTest, IsTheFirstOnlineOneWhileNoRoundTripIsKnown) {
  EXPECT_TRUE(update({offline("a"), online("b", {}), online("c", {})}));
  EXPECT_EQ(home_.url(), "b");
}

TEST_F(HomeRelayTest, MovesToAQuickerOneAfterTenSeconds) {
  update({online("a", 50ms), offline("b")});
  EXPECT_FALSE(update({online("a", 50ms), online("b", 20ms)}));
  now_ += 9s;
  EXPECT_FALSE(update({online("a", 50ms), online("b", 20ms)}));
  now_ += 1s;
  EXPECT_TRUE(update({online("a", 50ms), online("b", 20ms)}));
  EXPECT_EQ(home_.url(), "b");
}

TEST_F(HomeRelayTest, StaysWhereAnotherIsOnlyALittleQuicker) {
  update({online("a", 20ms), offline("b")});
  for (int i = 0; i < 10; ++i, now_ += 10s) {
    EXPECT_FALSE(update({online("a", 20ms), online("b", 16ms)}));    // by less than 5 ms
    EXPECT_FALSE(update({online("a", 200ms), online("b", 181ms)}));  // by less than a tenth
  }
  EXPECT_EQ(home_.url(), "a");
}

TEST_F(HomeRelayTest, StartsCountingAnewWhenTheQuickerOneWasNotMeanwhile) {
  update({online("a", 50ms), offline("b")});
  update({online("a", 50ms), online("b", 20ms)});
  now_ += 9s;
  update({online("a", 50ms), online("b", 60ms)});
  now_ += 1s;
  EXPECT_FALSE(update({online("a", 50ms), online("b", 20ms)}));
  now_ += 10s;
  EXPECT_TRUE(update({online("a", 50ms), online("b", 20ms)}));
}

TEST_F(HomeRelayTest, LeavesOneThatWentOfflineAtOnceForTheQuickestOfTheOthers) {
  update({online("a", 10ms), offline("b"), offline("c")});
  EXPECT_TRUE(update({offline("a"), online("b", 50ms), online("c", 40ms)}));
  EXPECT_EQ(home_.url(), "c");
}

TEST_F(HomeRelayTest, StaysWhileAllAreOffline) {
  update({online("a", 10ms)});
  EXPECT_FALSE(update({offline("a")}));
  EXPECT_EQ(home_.url(), "a");
}

TEST_F(HomeRelayTest, LeavesOneThatIsNotConfiguredAnyMore) {
  update({online("a", 10ms)});
  EXPECT_TRUE(update({online("b", 50ms)}));
  EXPECT_EQ(home_.url(), "b");
}

}  // namespace
}  // namespace p2pd::daemon
