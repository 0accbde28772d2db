#include "net/glib_loop.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <string>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "tests/unit/net/open_descriptors.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using base::Descriptor;

struct Ends {
  Ends() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    watched.reset(fds[0]);
    other.reset(fds[1]);
  }
  void write() const { EXPECT_EQ(::write(other.get(), "x", 1), 1); }
  Descriptor watched;
  Descriptor other;
};

class GlibLoopTest : public testing::Test {
 protected:
  bool run_until(const std::function<bool()>& condition) {
    const auto guard = asio::make_work_guard(io);
    const auto deadline = base::Clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (base::Clock::now() >= deadline) return false;
      io.restart();
      io.run_one_until(deadline);
    }
    return true;
  }

  // Reads one byte from `fd` whenever it is readable and calls `action`.
  GSource* attach_reader(int fd, std::function<void()> action) {
    GSource* source = g_unix_fd_source_new(fd, G_IO_IN);
    auto* held = new std::function<void()>(std::move(action));
    g_source_set_callback(source,
                          reinterpret_cast<GSourceFunc>(reinterpret_cast<void (*)()>(
                              +[](gint ready, GIOCondition, gpointer data) -> gboolean {
                                std::array<char, 8> byte{};
                                if (::read(ready, byte.data(), byte.size()) > 0)
                                  (*static_cast<std::function<void()>*>(data))();
                                return G_SOURCE_CONTINUE;
                              })),
                          held, [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
    g_source_attach(source, loop.context());
    g_source_unref(source);
    return source;
  }
  void attach_timeout(guint milliseconds, std::function<void()> action) {
    GSource* source = g_timeout_source_new(milliseconds);
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
          (*static_cast<std::function<void()>*>(data))();
          return G_SOURCE_REMOVE;
        },
        new std::function<void()>(std::move(action)),
        [](gpointer data) { delete static_cast<std::function<void()>*>(data); });
    g_source_attach(source, loop.context());
    g_source_unref(source);
  }

  asio::io_context io;
  int rounds = 0;
  GlibLoop loop{io, [this] { ++rounds; }};
};

// As libnice does: it rounds the time that is left down to milliseconds.
TEST_F(GlibLoopTest, DoesNotGoRoundWhileTheLastMillisecondOfATimeoutPasses) {
  int ticks = 0;
  const gint64 moment = g_get_monotonic_time() + 60'999;
  std::function<void()> tick = [&] {
    ++ticks;
    const gint64 left = moment - g_get_monotonic_time();
    if (left > 0) attach_timeout(static_cast<guint>(left / 1'000), tick);
  };
  attach_timeout(static_cast<guint>((moment - g_get_monotonic_time()) / 1'000), tick);
  loop.schedule();
  ASSERT_TRUE(run_until([&] { return g_get_monotonic_time() >= moment && ticks > 0; }));
  EXPECT_EQ(ticks, 1);
}

TEST_F(GlibLoopTest, RunsWhatIsReadyOnAWatchedDescriptor) {
  const Ends ends;
  int reads = 0;
  attach_reader(ends.watched.get(), [&] { ++reads; });
  loop.schedule();
  for (int i = 1; i <= 100; ++i) {
    ends.write();
    ASSERT_TRUE(run_until([&] { return reads == i; }));
  }
  EXPECT_GE(rounds, 100);
}

TEST_F(GlibLoopTest, FiresTimeoutsInOrderAlsoWhenTheEarlierIsAddedLater) {
  std::string order;
  attach_timeout(60, [&] { order += 'c'; });
  loop.schedule();
  ASSERT_TRUE(run_until([&] {
    if (order.empty()) {
      order += 'a';
      attach_timeout(5, [&] { order += 'b'; });
    }
    return order.size() == 3;
  }));
  EXPECT_EQ(order, "abc");
}

TEST_F(GlibLoopTest, FindsASourceAddedWithoutBeingScheduled) {
  loop.schedule();
  int turns = 0;
  ASSERT_TRUE(run_until([&] { return rounds >= 0 && ++turns > 1; }));
  bool fired = false;
  attach_timeout(0, [&] { fired = true; });
  EXPECT_TRUE(run_until([&] { return fired; }));
}

TEST_F(GlibLoopTest, FindsADescriptorAddedFromInsideACallback) {
  const Ends first;
  const Ends second;
  int reads = 0;
  attach_reader(first.watched.get(), [&] { attach_reader(second.watched.get(), [&] { ++reads; }); });
  loop.schedule();
  first.write();
  ASSERT_TRUE(run_until([&] { return rounds > 0; }));
  second.write();
  EXPECT_TRUE(run_until([&] { return reads == 1; }));
}

TEST_F(GlibLoopTest, FollowsADescriptorNumberThatIsGivenOutAgain) {
  Ends first;
  Ends second;
  int first_reads = 0;
  int second_reads = 0;
  GSource* reader = attach_reader(first.watched.get(), [&] { ++first_reads; });
  loop.schedule();
  first.write();
  ASSERT_TRUE(run_until([&] { return first_reads == 1; }));
  const int number = first.watched.get();
  // In one callback, so that the loop never sees the number unused.
  attach_timeout(0, [&] {
    g_source_destroy(reader);
    ASSERT_EQ(::dup3(second.watched.get(), number, O_CLOEXEC), number);
    attach_reader(number, [&] { ++second_reads; });
  });
  const int rounds_before = rounds;
  ASSERT_TRUE(run_until([&] { return rounds > rounds_before; }));
  second.write();
  EXPECT_TRUE(run_until([&] { return second_reads == 1; }));
  EXPECT_EQ(first_reads, 1);
}

TEST_F(GlibLoopTest, GivesOtherHandlersTheirTurnWhileASourceIsAlwaysReady) {
  GSource* busy = g_idle_source_new();
  int runs = 0;
  g_source_set_callback(
      busy,
      [](gpointer data) -> gboolean {
        ++*static_cast<int*>(data);
        return G_SOURCE_CONTINUE;
      },
      &runs, nullptr);
  g_source_attach(busy, loop.context());
  g_source_unref(busy);
  loop.schedule();
  bool other = false;
  asio::post(io, [&] { asio::post(io, [&] { other = true; }); });
  EXPECT_TRUE(run_until([&] { return other && runs > 0; }));
}

TEST_F(GlibLoopTest, CallsNothingAfterStop) {
  const Ends ends;
  int calls = 0;
  attach_reader(ends.watched.get(), [&] { ++calls; });
  attach_timeout(0, [&] { ++calls; });
  loop.schedule();
  ends.write();
  loop.stop();
  io.restart();
  io.run();
  EXPECT_EQ(calls, 0);
}

TEST(GlibLoop, GivesItsDescriptorsBackAtStop) {
  asio::io_context io;
  { GlibLoop warm_up(io, {}); }
  const Ends ends;
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    GlibLoop loop(io, {});
    GSource* source = g_unix_fd_source_new(ends.watched.get(), G_IO_IN);
    g_source_attach(source, loop.context());
    g_source_unref(source);
    loop.schedule();
    io.restart();
    io.poll();
    EXPECT_GT(open_descriptors(), before);
    loop.stop();
    EXPECT_EQ(open_descriptors(), before);
  }
}

}  // namespace
}  // namespace p2pd::net
