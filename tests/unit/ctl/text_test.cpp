#include "ctl/text.hpp"

#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ctl {
namespace {

using nlohmann::json;

TEST(Text, DisarmsWhatCouldDriveATerminal) {
  EXPECT_EQ(escape_line("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(escape_line("bell\a del\x7f"), "bell\\x07 del\\x7f");
  EXPECT_EQ(escape_line("c1 \xc2\x9b"), "c1 \\x9b");
  EXPECT_EQ(escape_line("\xe2\x80\xae reversed \xe2\x81\xa6"), "\\u202e reversed \\u2066");
  EXPECT_EQ(escape_line("\xe2\x80\xa8"), "\\u2028");
  EXPECT_EQ(escape_line("one\ntwo\tthree"), "one\\ntwo\\tthree");
  EXPECT_EQ(escape_line("bytes \xff\xc3"), "bytes \\xff\\xc3");
  EXPECT_EQ(escape_line("grüß \xf0\x9f\x98\x80"), "grüß \xf0\x9f\x98\x80");
}

TEST(Text, BlocksKeepTheirLinesButCannotForgeOne) {
  EXPECT_EQ(escape_block("one\n2026 eve: two\tthree\x1b"), "one\n  2026 eve: two\tthree\\x1b");
}

TEST(Text, FormatsNumbersWithUnits) {
  EXPECT_EQ(format_ms(0.84), "0.84 ms");
  EXPECT_EQ(format_ms(3), "3 ms");
  EXPECT_EQ(format_ms(12.4), "12 ms");
  EXPECT_EQ(format_ms(12345), "12.3 s");
  EXPECT_EQ(format_ms(nullptr), "-");
  EXPECT_EQ(format_bytes(812), "812 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(5ULL << 40U), "5.0 TiB");
  EXPECT_EQ(format_bytes("x"), "-");
}

TEST(Text, ReadsMembersThatMayBeMissing) {
  EXPECT_EQ(field({{"a", "x\x1b"}}, "a"), "x\\x1b");
  EXPECT_EQ(field({{"a", 5}}, "a"), "5");
  EXPECT_EQ(field({{"a", nullptr}}, "a"), "-");
  EXPECT_EQ(field({{"a", 1}}, "b"), "-");
  EXPECT_EQ(field(json::array(), "b"), "-");
}

TEST(Text, ExplainsWhyNotDirect) {
  EXPECT_EQ(explain_why("udp_blocked"), "udp_blocked (one of the two networks lets no UDP through)");
  EXPECT_EQ(explain_why("new_word"), "new_word");
  EXPECT_EQ(explain_why(nullptr), "-");
}

TEST(Text, PaintsOnlyWhenItMay) {
  EXPECT_EQ(Paint(false).state("direct"), "direct");
  EXPECT_EQ(Paint(true).state("direct"), "\x1b[32mdirect\x1b[0m");
  EXPECT_EQ(Paint(true).state("something"), "something");
}

TEST(Text, AlignsColumnsByCharacters) {
  std::ostringstream out;
  print_table(out, {{"NAME", "ID"}, {"bérénice", "1"}, {"al", "2"}}, Paint(false));
  EXPECT_EQ(out.str(), "NAME      ID\nbérénice  1\nal        2\n");
}

}  // namespace
}  // namespace p2pd::ctl
