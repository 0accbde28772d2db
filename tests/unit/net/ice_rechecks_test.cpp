#include "net/ice_rechecks.hpp"

#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

using namespace std::chrono_literals;

TEST(IceRechecks, FollowTheServersAnswerTime) {
  const auto near = recheck_delays(0ms);
  EXPECT_EQ(near[0], 1ms);
  EXPECT_EQ(near[1], 6ms);
  EXPECT_EQ(near[2], 10ms);
  EXPECT_EQ(near[3], 100ms);
  const auto far = recheck_delays(40ms);
  EXPECT_EQ(far[0], 21ms);
  EXPECT_EQ(far[1], 26ms);
  EXPECT_EQ(far[2], 50ms);
  EXPECT_EQ(far[3], 140ms);
}

TEST(IceRechecks, AreFourOnceBothAddressesAreKnown) {
  boost::asio::io_context io;
  int rechecked = 0;
  IceRechecks rechecks(io, [&] { ++rechecked; });
  rechecks.gathering();
  rechecks.theirs_known();
  rechecks.theirs_known();
  EXPECT_EQ(io.poll(), 0U);
  EXPECT_TRUE(io.stopped());  // no timer runs while ours is not known
  io.restart();
  rechecks.ours_known();
  rechecks.ours_known();
  io.run();
  EXPECT_EQ(rechecked, 4);
}

TEST(IceRechecks, EndWhenStopped) {
  boost::asio::io_context io;
  int rechecked = 0;
  IceRechecks rechecks(io, [&] {
    ++rechecked;
    rechecks.stop();
  });
  rechecks.gathering();
  rechecks.ours_known();
  rechecks.theirs_known();
  io.run();
  EXPECT_EQ(rechecked, 1);
}

}  // namespace
}  // namespace p2pd::net
