#include "ctl/progress_bar.hpp"

#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ctl {
namespace {

nlohmann::json transfer(const char* state, std::uint64_t bytes, std::uint64_t size) {
  return {{"name", "bob"}, {"state", state},  {"bytes", bytes},
          {"size", size},  {"rate", nullptr}, {"left_ms", nullptr}};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(ProgressLine, ShowsHowMuchHowFastAndHowLong) {
  nlohmann::json half = transfer("active", 512 << 20, 1 << 30);
  half["rate"] = 1 << 20;
  half["left_ms"] = 512'000;
  const std::string line = progress_line(half);
  EXPECT_TRUE(has(line, "[############............]")) << line;
  EXPECT_TRUE(has(line, " 50 %")) << line;
  EXPECT_TRUE(has(line, "/s")) << line;
  EXPECT_TRUE(has(line, "8:32 left")) << line;
}

TEST(ProgressLine, IsFullOnlyAtTheEnd) {
  EXPECT_TRUE(has(progress_line(transfer("active", 999'999, 1'000'000)), " 99 %"));
  EXPECT_TRUE(has(progress_line(transfer("active", 10, 10)), "waiting until it is stored"));
  EXPECT_TRUE(has(progress_line(transfer("active", 0, 0)), "100 %")) << "an empty file";
}

TEST(ProgressLine, SaysWhatItWaitsFor) {
  EXPECT_EQ(progress_line(transfer("waiting", 0, 10)), "waiting for bob");
  EXPECT_EQ(progress_line(transfer("needs_file", 0, 10)), "waiting for p2pd");
  EXPECT_TRUE(has(progress_line(transfer("checking", 5, 10)), "checking"));
}

TEST(ProgressLine, SurvivesNonsense) {
  EXPECT_FALSE(progress_line(transfer("active", 20, 10)).empty());
  EXPECT_FALSE(progress_line(nlohmann::json::object()).empty());
  EXPECT_FALSE(progress_line({{"size", -5}, {"bytes", "x"}, {"state", 3}}).empty());
}

TEST(ProgressBar, IsForTerminalsOnlyAndGoesWithoutATrace) {
  std::ostringstream terminal;
  ProgressBar bar(terminal, true);
  bar.draw("half");
  EXPECT_EQ(terminal.str(), "\r\x1b[Khalf");
  bar.clear();
  bar.clear();
  EXPECT_EQ(terminal.str(), "\r\x1b[Khalf\r\x1b[K");

  std::ostringstream file;
  ProgressBar none(file, false);
  none.draw("half");
  none.clear();
  EXPECT_EQ(file.str(), "");
}

}  // namespace
}  // namespace p2pd::ctl
