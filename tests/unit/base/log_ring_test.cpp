#include "base/log_ring.hpp"

#include <gtest/gtest.h>

namespace p2pd::base::log {
namespace {

std::string texts(const std::vector<Record>& records) {
  std::string out;
  for (const Record& record : records) out += (out.empty() ? "" : " ") + record.text;
  return out;
}

TEST(LogRing, GivesTheLatestInTheirOrder) {
  Ring ring(10);
  ring.push({}, Level::info, "one");
  ring.push({}, Level::debug, "two");
  ring.push({}, Level::error, "three");
  EXPECT_EQ(texts(ring.latest(Level::debug, 100)), "one two three");
  EXPECT_EQ(texts(ring.latest(Level::debug, 2)), "two three");
  EXPECT_EQ(texts(ring.latest(Level::info, 2)), "one three");
  EXPECT_EQ(texts(ring.latest(Level::error, 5)), "three");
  EXPECT_EQ(texts(Ring(10).latest(Level::debug, 5)), "");
}

TEST(LogRing, DebugRecordsPushOutOnlyTheirOwn) {
  Ring ring(3);
  ring.push({}, Level::warn, "kept");
  for (int i = 0; i < 100; ++i) ring.push({}, Level::debug, std::to_string(i));
  EXPECT_EQ(texts(ring.latest(Level::debug, 100)), "kept 97 98 99");
  for (int i = 0; i < 3; ++i) ring.push({}, Level::info, "i" + std::to_string(i));
  EXPECT_EQ(texts(ring.latest(Level::debug, 100)), "97 98 99 i0 i1 i2");
}

TEST(LogRing, CutsWhatIsTooLong) {
  Ring ring(1);
  ring.push({}, Level::info, std::string(5000, 'x'));
  EXPECT_EQ(ring.latest(Level::info, 1).at(0).text.size(), Ring::kMaxText + 3);
}

TEST(LogRing, KeepsWhatTheLogLeavesOut) {
  std::vector<std::string> written;
  set_sink([&](Level, std::string_view line) { written.emplace_back(line); });
  debug("a", "before");
  EXPECT_TRUE(recent(Level::debug, 10).empty());
  keep_recent(10);
  debug("a", "quiet", {{"n", 1}});
  info("a", "loud");
  set_sink({});
  EXPECT_EQ(written, std::vector<std::string>{"info a: loud"});
  EXPECT_EQ(texts(recent(Level::debug, 10)), "a: quiet n=1 a: loud");
}

}  // namespace
}  // namespace p2pd::base::log
