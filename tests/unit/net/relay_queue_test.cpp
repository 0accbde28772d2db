#include "net/relay_queue.hpp"

#include <gtest/gtest.h>

#include "net/relay_keepalive.hpp"

namespace p2pd::net {
namespace {

using namespace std::chrono_literals;

base::Bytes frame(std::uint8_t mark, std::size_t size = 1) { return base::Bytes(size, mark); }

TEST(RelayQueue, GivesControlFramesFirstAndEachKindInOrder) {
  RelayQueue queue({});
  queue.push_datagram(frame(1));
  queue.push_datagram(frame(2));
  EXPECT_TRUE(queue.push_control(frame(3)));
  EXPECT_TRUE(queue.push_control(frame(4)));
  for (const int mark : {3, 4, 1, 2}) {
    const auto expected = static_cast<std::uint8_t>(mark);
    const auto next = queue.pop();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->bytes, frame(expected));
    EXPECT_EQ(next->datagram, expected < 3);
  }
  EXPECT_FALSE(queue.pop());
  EXPECT_TRUE(queue.empty());
}

TEST(RelayQueue, DropsTheOldestDatagramWhenThereAreTooMany) {
  RelayQueue queue({.datagrams = 2});
  EXPECT_EQ(queue.push_datagram(frame(1)), 0u);
  EXPECT_EQ(queue.push_datagram(frame(2)), 0u);
  EXPECT_EQ(queue.push_datagram(frame(3)), 1u);
  EXPECT_EQ(queue.pop()->bytes, frame(2));
  EXPECT_EQ(queue.pop()->bytes, frame(3));
}

TEST(RelayQueue, DropsAsManyAsTheBytesNeed) {
  RelayQueue queue({.datagrams = 100, .bytes = 10});
  for (std::uint8_t i = 0; i < 5; ++i) EXPECT_EQ(queue.push_datagram(frame(i, 2)), 0u);
  EXPECT_EQ(queue.push_datagram(frame(9, 5)), 3u);
  EXPECT_EQ(queue.datagram_bytes(), 9u);
  EXPECT_EQ(queue.datagrams(), 3u);
  EXPECT_EQ(queue.push_datagram(frame(9, 11)), 1u) << "larger than the whole queue";
  EXPECT_EQ(queue.datagrams(), 3u);
}

TEST(RelayQueue, NeverDropsControlFramesButTakesNoMoreThanItsLimit) {
  RelayQueue queue({.datagrams = 1, .bytes = 4, .control = 2});
  EXPECT_TRUE(queue.push_control(frame(1, 100)));
  for (std::uint8_t i = 0; i < 9; ++i) queue.push_datagram(frame(i));
  EXPECT_TRUE(queue.push_control(frame(2)));
  EXPECT_FALSE(queue.push_control(frame(3)));
  EXPECT_EQ(queue.pop()->bytes, frame(1, 100));
}

TEST(RelayQueue, ForgetsEverythingWhenCleared) {
  RelayQueue queue({});
  queue.push_datagram(frame(1));
  EXPECT_TRUE(queue.push_control(frame(2)));
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.datagram_bytes(), 0u);
}

const base::TimePoint kStart = base::TimePoint() + 1h;

TEST(RelayKeepalive, IsDeadWhenTwoPingsStandUnanswered) {
  RelayKeepalive keepalive;
  EXPECT_TRUE(keepalive.next_ping(kStart));
  EXPECT_TRUE(keepalive.next_ping(kStart + 3s));
  EXPECT_FALSE(keepalive.next_ping(kStart + 6s));
}

TEST(RelayKeepalive, LivesOnWhileThereAreAnswers) {
  RelayKeepalive keepalive;
  for (int i = 0; i < 100; ++i) {
    const auto ping = keepalive.next_ping(kStart + i * 3s);
    ASSERT_TRUE(ping);
    if (i % 2 == 1) keepalive.on_pong(*ping, kStart + i * 3s + 10ms);
  }
}

TEST(RelayKeepalive, SmoothsTheRoundTrip) {
  RelayKeepalive keepalive;
  EXPECT_FALSE(keepalive.rtt());
  keepalive.on_pong(*keepalive.next_ping(kStart), kStart + 80ms);
  EXPECT_EQ(keepalive.rtt(), 80ms);
  keepalive.on_pong(*keepalive.next_ping(kStart), kStart + 160ms);
  EXPECT_EQ(keepalive.rtt(), 90ms);
}

TEST(RelayKeepalive, BelievesNoPongItDidNotAskFor) {
  RelayKeepalive keepalive;
  const auto ping = keepalive.next_ping(kStart);
  keepalive.on_pong({9, 9, 9, 9, 9, 9, 9, 9}, kStart + 1ms);
  EXPECT_FALSE(keepalive.rtt());
  keepalive.on_pong(*ping, kStart + 5ms);
  keepalive.on_pong(*ping, kStart + 5s);
  EXPECT_EQ(keepalive.rtt(), 5ms);
}

}  // namespace
}  // namespace p2pd::net
