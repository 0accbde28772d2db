#include "base/task_group.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "base/log.hpp"

namespace p2pd::base {
namespace {

namespace asio = boost::asio;

// Waits until it is cancelled and then says so.
asio::awaitable<void> wait_for_ever(int* ended) {
  asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  ++*ended;
}

asio::awaitable<void> turn() { co_await asio::post(asio::use_awaitable); }

asio::awaitable<void> throw_after_a_turn() {
  co_await turn();
  throw std::runtime_error("out of order");
}

asio::awaitable<void> be_aborted() {
  asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> join_and_note(TaskGroup* group, bool* joined) {
  co_await group->join();
  *joined = true;
}

class TaskGroupTest : public testing::Test {
 protected:
  TaskGroupTest() {
    log::set_sink([this](log::Level, std::string_view line) { lines_.emplace_back(line); });
  }
  ~TaskGroupTest() override { log::set_sink({}); }

  // Spawns join() and runs until nothing is left to do.
  bool joins() {
    bool joined = false;
    asio::co_spawn(io_, join_and_note(&group_, &joined), asio::detached);
    io_.restart();
    io_.run();
    return joined;
  }
  void run_ready() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  TaskGroup group_{io_.get_executor()};
  std::vector<std::string> lines_;
};

TEST_F(TaskGroupTest, JoinsAtOnceWithoutChildren) { EXPECT_TRUE(joins()); }

TEST_F(TaskGroupTest, JoinsWhenItsChildrenAreDone) {
  for (int i = 0; i < 10; ++i) group_.spawn("turn", turn());
  EXPECT_EQ(group_.size(), 10U);
  EXPECT_TRUE(joins());
  EXPECT_EQ(group_.size(), 0U);
}

TEST_F(TaskGroupTest, CancelReachesEveryChild) {
  int ended = 0;
  for (int i = 0; i < 5; ++i) group_.spawn("waiter", wait_for_ever(&ended));
  run_ready();
  EXPECT_EQ(group_.size(), 5U);
  group_.cancel();
  EXPECT_TRUE(joins());
  EXPECT_EQ(ended, 5);
}

TEST_F(TaskGroupTest, JoinWaitsForACancelThatComesLater) {
  int ended = 0;
  group_.spawn("waiter", wait_for_ever(&ended));
  bool joined = false;
  asio::co_spawn(io_, join_and_note(&group_, &joined), asio::detached);
  run_ready();
  EXPECT_FALSE(joined);
  group_.cancel();
  io_.restart();
  io_.run();
  EXPECT_TRUE(joined);
}

TEST_F(TaskGroupTest, AChildSpawnedAfterCancelEndsToo) {
  int ended = 0;
  group_.cancel();
  group_.spawn("late", wait_for_ever(&ended));
  EXPECT_TRUE(joins());
  EXPECT_EQ(group_.size(), 0U);
}

TEST_F(TaskGroupTest, WhatAChildThrowsIsLoggedByItsNameAndStopsNoOther) {
  int ended = 0;
  group_.spawn("broken", throw_after_a_turn());
  group_.spawn("waiter", wait_for_ever(&ended));
  run_ready();
  EXPECT_EQ(group_.size(), 1U);
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_NE(lines_[0].find("task=broken"), std::string::npos);
  EXPECT_NE(lines_[0].find("out of order"), std::string::npos);
  group_.cancel();
  EXPECT_TRUE(joins());
}

TEST_F(TaskGroupTest, CancellationIsNoError) {
  group_.spawn("waiter", be_aborted());
  run_ready();
  group_.cancel();
  EXPECT_TRUE(joins());
  EXPECT_TRUE(lines_.empty()) << lines_[0];
}

TEST(TaskGroupDeathTest, AssertsThatItWasJoined) {
  EXPECT_DEATH(
      {
        asio::io_context io;
        TaskGroup group(io.get_executor());
        group.spawn("turn", turn());
      },
      "assertion failed");
}

}  // namespace
}  // namespace p2pd::base
