#include "base/log.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace p2pd::base::log {
namespace {

// Catches records while it lives.
class Sink {
 public:
  explicit Sink(Level level) {
    set_level(level);
    set_sink([this](Level, std::string_view line) { lines.emplace_back(line); });
  }
  ~Sink() {
    set_sink({});
    set_level(Level::info);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  std::vector<std::string> lines;
};

TEST(Log, WritesOneLineARecord) {
  Sink sink(Level::info);
  info("relay", "session up", {{"url", "wss://r"}, {"rtt_ms", 12}, {"tls", true}, {"loss", 0.5}});
  EXPECT_EQ(sink.lines,
            std::vector<std::string>{"info relay: session up url=wss://r rtt_ms=12 tls=true loss=0.500"});
}

TEST(Log, LeavesOutWhatIsBelowItsLevel) {
  Sink sink(Level::warn);
  debug("a", "no");
  info("a", "no");
  warn("a", "yes");
  error("a", "yes");
  EXPECT_EQ(sink.lines.size(), 2U);
  EXPECT_FALSE(enabled(Level::info));
  set_level(Level::debug);
  debug("a", "yes");
  EXPECT_EQ(sink.lines.size(), 3U);
}

TEST(Log, EscapesForeignBytes) {
  EXPECT_EQ(escape("plain-text:1"), "plain-text:1");
  EXPECT_EQ(escape(""), "\"\"");
  EXPECT_EQ(escape("two words"), "\"two words\"");
  EXPECT_EQ(escape("a=b"), "\"a=b\"");
  EXPECT_EQ(escape("quote\"back\\slash"), "quote\\x22back\\x5cslash");
  EXPECT_EQ(escape("\x1b[2J\r\n\t\x7f"), "\\x1b[2J\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(escape(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(escape("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "a right-to-left override turns a line around";
}

TEST(Log, NothingForeignStartsASecondRecord) {
  Sink sink(Level::info);
  warn("relay", "goodbye\nerror forged: text", {{"text", "bye\nerror forged: x=1"}, {"name", "a b=c"}});
  ASSERT_EQ(sink.lines.size(), 1U);
  EXPECT_EQ(sink.lines[0].find('\n'), std::string::npos);
  EXPECT_NE(sink.lines[0].find("text=\"bye\\x0aerror forged: x=1\""), std::string::npos);
}

TEST(Log, LevelsHaveNamesThatAreRead) {
  for (const Level one : {Level::error, Level::warn, Level::info, Level::debug}) {
    EXPECT_EQ(parse_level(to_string(one)), one);
  }
  EXPECT_FALSE(parse_level("INFO"));
  EXPECT_FALSE(parse_level(""));
}

}  // namespace
}  // namespace p2pd::base::log
