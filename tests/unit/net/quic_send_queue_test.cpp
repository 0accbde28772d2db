#include "net/quic_send_queue.hpp"

#include <random>

#include <gtest/gtest.h>

#include "net/quic_clock.hpp"

namespace p2pd::net {
namespace {

using namespace std::chrono_literals;

base::Bytes unsent(const SendQueue& queue) {
  base::Bytes out;
  std::array<base::ByteView, 64> pieces;
  bool all = false;
  const std::size_t count = queue.peek_unsent(pieces, all);
  for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), pieces[i].begin(), pieces[i].end());
  EXPECT_TRUE(all);
  return out;
}

TEST(SendQueue, KeepsOrderThroughAnyMixOfWritingSendingAndRelease) {
  std::mt19937 random(7);
  SendQueue queue;
  std::uint8_t next_in = 0;
  std::uint8_t next_out = 0;
  std::size_t written = 0, sent = 0, released = 0;
  for (int step = 0; step < 5'000; ++step) {
    base::Bytes data(random() % 3'000);
    if (random() % 8 == 0) data.resize(data.size() + 70'000);
    if (written - released < 200'000) {
      for (auto& byte : data) byte = next_in++;
      queue.append(data);
      written += data.size();
    }
    std::array<base::ByteView, 3> pieces;
    bool all = false;
    const std::size_t count = queue.peek_unsent(pieces, all);
    std::size_t seen = 0;
    for (std::size_t i = 0; i < count; ++i) seen += pieces[i].size();
    EXPECT_EQ(all, seen == queue.unsent());
    std::size_t take = seen == 0 ? 0 : random() % (seen + 1);
    const std::size_t taken = take;
    for (std::size_t i = 0; i < count && take > 0; ++i) {
      for (std::size_t at = 0; at < pieces[i].size() && take > 0; ++at, --take) {
        ASSERT_EQ(pieces[i][at], next_out++);
      }
    }
    queue.mark_sent(taken);
    sent += taken;
    const std::size_t free = sent == released ? 0 : random() % (sent - released + 1);
    queue.release(free);
    released += free;
    ASSERT_EQ(queue.size(), written - released);
    ASSERT_EQ(queue.unsent(), written - sent);
  }
  EXPECT_GT(released, 1'000'000u);
}

TEST(SendQueue, KeepsBytesInFlightInPlaceWhileMoreIsWritten) {
  SendQueue queue;
  queue.append(base::as_bytes("abc"));
  std::array<base::ByteView, 1> piece;
  bool all = false;
  ASSERT_EQ(queue.peek_unsent(piece, all), 1u);
  const base::ByteView flying = piece[0];
  queue.mark_sent(3);
  for (int i = 0; i < 1'000; ++i) queue.append(base::as_bytes("some more bytes"));
  EXPECT_EQ(base::as_text(flying), "abc");
  EXPECT_EQ(queue.size(), 15'003u);
}

TEST(SendQueue, DropsWhatIsUnsentAndKeepsTheRest) {
  SendQueue queue;
  queue.append(base::Bytes(100'000, 1));
  queue.mark_sent(70'000);
  queue.release(10);
  queue.drop_unsent();
  EXPECT_EQ(queue.size(), 69'990u);
  EXPECT_EQ(queue.unsent(), 0u);
  EXPECT_TRUE(unsent(queue).empty());
  queue.release(69'990);
  EXPECT_EQ(queue.size(), 0u);
  queue.drop_unsent();
  queue.append(base::as_bytes("again"));
  EXPECT_EQ(base::as_text(unsent(queue)), "again");
}

TEST(QuicClock, NeverGoesBackAndKeepsAJump) {
  const base::TimePoint start{5h};
  QuicClock clock(start);
  const auto first = clock.stamp(start + 10ms);
  EXPECT_EQ(clock.stamp(start), first);
  EXPECT_EQ(clock.time(first), start + 10ms);
  clock.jump_to(first + 2'000'000'000);
  EXPECT_EQ(clock.stamp(start + 11ms), first + 2'001'000'000);
  EXPECT_EQ(clock.time(first + 2'001'000'000), start + 11ms);
  EXPECT_EQ(clock.time(QuicClock::kNoStamp), base::kNever);
  EXPECT_EQ(clock.time(0), start);
}

}  // namespace
}  // namespace p2pd::net
