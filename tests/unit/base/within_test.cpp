#include "base/within.hpp"

#include <chrono>
#include <optional>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace p2pd::base {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<int> answer() {
  co_await asio::post(asio::use_awaitable);
  co_return 42;
}

asio::awaitable<int> never(bool* cancelled) {
  asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  *cancelled = true;
  co_return 1;
}

asio::awaitable<void> keep(asio::awaitable<std::optional<int>> from, std::optional<std::optional<int>>* to) {
  *to = co_await std::move(from);
}

TEST(Within, GivesTheResultOfATaskThatIsDoneInTime) {
  asio::io_context io;
  std::optional<std::optional<int>> result;
  asio::co_spawn(io, keep(within(1h, answer()), &result), asio::detached);
  io.run();
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 42);
}

TEST(Within, CancelsATaskThatIsNot) {
  asio::io_context io;
  bool cancelled = false;
  std::optional<std::optional<int>> result;
  asio::co_spawn(io, keep(within(1ms, never(&cancelled)), &result), asio::detached);
  io.run();
  ASSERT_TRUE(result);
  EXPECT_FALSE(*result);
  EXPECT_TRUE(cancelled);
}

TEST(Within, PassesItsOwnCancellationOn) {
  asio::io_context io;
  bool cancelled = false;
  std::optional<std::optional<int>> result;
  asio::cancellation_signal signal;
  asio::co_spawn(io, keep(within(1h, never(&cancelled)), &result),
                 asio::bind_cancellation_slot(signal.slot(), asio::detached));
  io.poll();
  EXPECT_FALSE(cancelled);
  signal.emit(asio::cancellation_type::terminal);
  io.run();
  EXPECT_TRUE(cancelled);
}

}  // namespace
}  // namespace p2pd::base
