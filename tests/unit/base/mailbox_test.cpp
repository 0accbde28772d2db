#include "base/mailbox.hpp"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace p2pd::base {
namespace {

TEST(Mailbox, DeliversInOrderOnTheConsumersThreadOnly) {
  boost::asio::io_context io;
  std::vector<int> got;
  Mailbox<int> mailbox(io.get_executor(), 10, [&](int item) { got.push_back(item); });
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(mailbox.push(i));
  EXPECT_TRUE(got.empty()) << "never from inside push()";
  io.run();
  EXPECT_EQ(got, (std::vector{0, 1, 2, 3, 4}));
}

TEST(Mailbox, WhenFullTakesNoMore) {
  boost::asio::io_context io;
  std::vector<int> got;
  Mailbox<int> mailbox(io.get_executor(), 2, [&](int item) { got.push_back(item); });
  EXPECT_TRUE(mailbox.push(1));
  EXPECT_TRUE(mailbox.push(2));
  EXPECT_FALSE(mailbox.push(3));
  io.run();
  EXPECT_EQ(got, (std::vector{1, 2}));
  EXPECT_TRUE(mailbox.push(4)) << "there is room again";
  io.restart();
  io.run();
  EXPECT_EQ(got, (std::vector{1, 2, 4}));
}

TEST(Mailbox, WhenClosedTakesNoMoreAndDropsWhatWaits) {
  boost::asio::io_context io;
  int handled = 0;
  const auto item = std::make_shared<int>(1);
  Mailbox<std::shared_ptr<int>> mailbox(io.get_executor(), 10,
                                        [&](const std::shared_ptr<int>&) { ++handled; });
  EXPECT_TRUE(mailbox.push(item));
  mailbox.close();
  EXPECT_EQ(item.use_count(), 1) << "dropped at once, not with the mailbox";
  EXPECT_FALSE(mailbox.push(item));
  io.run();
  EXPECT_EQ(handled, 0);
  mailbox.close();
}

TEST(Mailbox, ClosedByItsHandlerDeliversNothingFurther) {
  boost::asio::io_context io;
  std::vector<int> got;
  std::unique_ptr<Mailbox<int>> mailbox;
  mailbox = std::make_unique<Mailbox<int>>(io.get_executor(), 10, [&](int item) {
    got.push_back(item);
    mailbox->close();
  });
  EXPECT_TRUE(mailbox->push(1));
  EXPECT_TRUE(mailbox->push(2));
  io.run();
  EXPECT_EQ(got, std::vector{1});
}

TEST(Mailbox, MayBeDestroyedWithItemsUnderWay) {
  boost::asio::io_context io;
  int handled = 0;
  {
    Mailbox<int> mailbox(io.get_executor(), 10, [&](int) { ++handled; });
    EXPECT_TRUE(mailbox.push(1));
  }
  io.run();
  EXPECT_EQ(handled, 0);
}

TEST(Mailbox, PushedFromItsHandlerRunsInALaterBatch) {
  boost::asio::io_context io;
  std::vector<int> got;
  Mailbox<int>* self = nullptr;
  Mailbox<int> mailbox(io.get_executor(), 10, [&](int item) {
    got.push_back(item);
    if (item == 3) return;
    EXPECT_TRUE(self->push(item + 1));
  });
  self = &mailbox;
  EXPECT_TRUE(mailbox.push(1));
  io.run();
  EXPECT_EQ(got, (std::vector{1, 2, 3}));
}

TEST(Mailbox, LosesAndRepeatsNothingFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5'000;
  boost::asio::io_context io;
  auto work = boost::asio::make_work_guard(io);
  std::vector<int> next(kThreads, 0);
  int received = 0;
  Mailbox<std::pair<int, int>> mailbox(io.get_executor(), 64, [&](std::pair<int, int> item) {
    // In order for each sender.
    EXPECT_EQ(item.second, next[static_cast<std::size_t>(item.first)]++);
    if (++received == kThreads * kEach) work.reset();
  });
  std::atomic<int> refusals{0};
  std::vector<std::thread> senders;
  senders.reserve(kThreads);
  for (int thread = 0; thread < kThreads; ++thread) {
    senders.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        while (!mailbox.push({thread, i})) {
          ++refusals;
          std::this_thread::yield();
        }
      }
    });
  }
  io.run();
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(received, kThreads * kEach);
  EXPECT_EQ(next, std::vector(kThreads, kEach));
}

TEST(Mailbox, ClosedUnderManyThreadsStopsThemAll) {
  boost::asio::io_context io;
  auto work = boost::asio::make_work_guard(io);
  int received = 0;
  std::unique_ptr<Mailbox<int>> mailbox;
  mailbox = std::make_unique<Mailbox<int>>(io.get_executor(), 16, [&](int) {
    if (++received == 1'000) {
      mailbox->close();
      work.reset();
    }
  });
  std::atomic<bool> closed{false};
  constexpr int kSenders = 3;
  std::vector<std::thread> senders;
  senders.reserve(kSenders);
  for (int thread = 0; thread < kSenders; ++thread) {
    senders.emplace_back([&] {
      while (!closed) (void)mailbox->push(1);
    });
  }
  io.run();
  EXPECT_FALSE(mailbox->push(1));
  closed = true;
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(received, 1'000);
}

}  // namespace
}  // namespace p2pd::base
