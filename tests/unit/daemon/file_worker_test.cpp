#include "daemon/file_worker.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

class FileLineTest : public testing::Test {
 protected:
  void note(char what) {
    const std::lock_guard lock(mutex_);
    notes_ += what;
  }
  std::string notes() {
    const std::lock_guard lock(mutex_);
    return notes_;
  }

  FileWorker worker;

 private:
  std::mutex mutex_;
  std::string notes_;
};

TEST_F(FileLineTest, RunsStepsInOrderAndRepeatsOneUntilItIsOver) {
  const auto line = std::make_shared<FileLine>(worker);
  for (const char step : {'a', 'b', 'c'}) {
    line->push([this, step, left = 3]() mutable {
      note(step);
      return --left == 0;
    });
  }
  std::promise<void> over;
  line->push([&] {
    over.set_value();
    return true;
  });
  over.get_future().wait();
  EXPECT_EQ(notes(), "aaabbbccc");
  worker.stop();
}

TEST_F(FileLineTest, ALargeFileDoesNotKeepASmallOneWaiting) {
  // Both threads have a line that goes on until the small one has had its turn.
  std::atomic<bool> small_done = false;
  std::promise<void> over;
  std::atomic<int> endless_over = 0;
  std::vector<std::shared_ptr<FileLine>> lines;
  for (std::size_t i = 0; i < 2 * FileWorker::kThreads; ++i) {
    lines.push_back(std::make_shared<FileLine>(worker));
    lines.back()->push([&] {
      if (!small_done) return false;
      ++endless_over;
      return true;
    });
  }
  const auto small = std::make_shared<FileLine>(worker);
  small->push([&] {
    small_done = true;
    over.set_value();
    return true;
  });
  over.get_future().wait();
  worker.stop();
  EXPECT_EQ(endless_over, static_cast<int>(lines.size()));
}

TEST_F(FileLineTest, OutlivesItsOwnerUntilItsStepsAreOver) {
  std::promise<void> over;
  {
    const auto line = std::make_shared<FileLine>(worker);
    line->push([left = 100, &over]() mutable {
      if (--left > 0) return false;
      over.set_value();
      return true;
    });
  }
  over.get_future().wait();
  worker.stop();
}

TEST_F(FileLineTest, StopRunsWhatWaitsButRepeatsNothing) {
  const auto line = std::make_shared<FileLine>(worker);
  std::promise<void> begun;
  std::promise<void> stopping;
  line->push([&, first = true]() mutable {
    note('a');
    if (std::exchange(first, false)) {
      begun.set_value();
      stopping.get_future().wait();
    }
    return false;
  });
  line->push([&] {
    note('b');
    return true;
  });
  begun.get_future().wait();
  std::thread stopper([&] { worker.stop(); });
  while (!worker.stopping()) std::this_thread::yield();
  stopping.set_value();
  stopper.join();
  EXPECT_EQ(notes(), "ab");
}

}  // namespace
}  // namespace p2pd::daemon
