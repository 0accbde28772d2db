#include "base/watchdog.hpp"

#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "base/task_group.hpp"
#include "tests/fakes/notify_socket.hpp"

namespace p2pd::base {
namespace {

class Watchdog : public testing::Test {
 protected:
  Watchdog() { ::setenv("WATCHDOG_USEC", "2000", 1); }
  ~Watchdog() override { log::set_sink({}); }

  // Runs the watchdog through `rounds` questions and then to its end.
  template <class Answer>
  void run(int rounds, Answer answer) {
    const auto manager = ServiceManager::from_environment();
    TaskGroup tasks(io.get_executor());
    tasks.spawn("watchdog", run_watchdog(manager, [&](std::function<void()> well) {
                  answer(std::move(well));
                  if (--rounds == 0) tasks.cancel();
                }));
    io.run();
  }

  boost::asio::io_context io{1};
  fakes::NotifySocket socket;
};

TEST_F(Watchdog, GivesASignOfLifeForEachAnswer) {
  int answers = 0;
  run(5, [&](const std::function<void()>& well) {
    well();
    ++answers;
    EXPECT_EQ(socket.next(), "WATCHDOG=1\n");
    EXPECT_EQ(socket.next(), std::nullopt);
  });
  EXPECT_EQ(answers, 5);
}

TEST_F(Watchdog, IsSilentWhileAPartDoesNotAnswerAndSaysSoOnce) {
  std::vector<std::string> lines;
  log::set_sink([&](log::Level, std::string_view line) { lines.emplace_back(line); });
  run(5, [](const std::function<void()>&) {});
  EXPECT_EQ(socket.next(), std::nullopt);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("a thread does not answer"), std::string::npos) << lines[0];
}

TEST_F(Watchdog, ALateAnswerIsASignOfLife) {
  std::vector<std::function<void()>> kept;
  run(3, [&](std::function<void()> well) {
    kept.push_back(std::move(well));
    if (kept.size() < 2) return;
    EXPECT_EQ(socket.next(), std::nullopt);
    kept.front()();
    EXPECT_EQ(socket.next(), "WATCHDOG=1\n");
  });
  ASSERT_EQ(kept.size(), 3U);
  kept.back()();
  EXPECT_EQ(socket.next(), std::nullopt) << "the watchdog has ended";
}

TEST_F(Watchdog, EndsAtOnceWhereNobodyWatches) {
  ::unsetenv("WATCHDOG_USEC");
  run(1, [](const std::function<void()>&) { FAIL() << "nobody asked for it"; });
  EXPECT_EQ(socket.next(), std::nullopt);
}

}  // namespace
}  // namespace p2pd::base
