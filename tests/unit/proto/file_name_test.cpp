#include "proto/file_name.hpp"

#include <string>

#include <gtest/gtest.h>

namespace p2pd::proto {
namespace {

TEST(FileName, AllowsWhatPeopleCallFiles) {
  for (const char* name :
       {"a", "notes.txt", ".profile", "..hidden", "a..b", "with blank", "Über größe.pdf", "日本語.txt",
        "🙂.png", "com", "console.log", "com10", "lpt", "nullable", "a:b", "-rf", "~", "x (1).tar.gz"}) {
    EXPECT_EQ(file_name_fault(name), "") << name;
  }
  EXPECT_EQ(file_name_fault(std::string(255, 'x')), "");
}

TEST(FileName, RefusesWhatLeadsElsewhereOrDeceives) {
  using namespace std::string_literals;
  for (const std::string& name : {
           ""s,
           "."s,
           ".."s,
           "/etc/passwd"s,
           "a/b"s,
           "../x"s,
           "a\\b"s,
           "a\0b"s,
           "a\nb"s,
           "\x1b[2J"s,
           "\x7f"s,
           "\xc2\x85"s,              // C1: NEL
           "x\xe2\x80\xaetxt.exe"s,  // U+202E right-to-left override
           "x\xe2\x81\xa6y"s,        // U+2066 isolate
           "x\xe2\x80\x8by"s,        // U+200B nothing to see
           "x\xd8\x9cy"s,            // U+061C
           "\xef\xbb\xbfx"s,         // U+FEFF
           "x\xe2\x80\xa8y"s,        // U+2028
           "\xff"s,
           "\xc3"s,          // cut
           "\xc0\xaf"s,      // overlong slash
           "\xed\xa0\x80"s,  // surrogate
           "\xf4\x90\x80\x80"s,
           "CON"s,
           "nul.txt"s,
           "Com1"s,
           "lpt9.tar.gz"s,
           "aux ."s,
           "conin$"s,
           ".p2pd-x"s,
       }) {
    EXPECT_NE(file_name_fault(name), "") << name;
  }
  EXPECT_NE(file_name_fault(std::string(256, 'x')), "");
}

TEST(FileName, NumbersTakenOnes) {
  EXPECT_EQ(other_file_name("notes.txt", 1), "notes (1).txt");
  EXPECT_EQ(other_file_name("notes", 12), "notes (12)");
  EXPECT_EQ(other_file_name(".profile", 1), ".profile (1)");
  EXPECT_EQ(other_file_name("x.tar.gz", 1), "x.tar (1).gz");
}

TEST(FileName, OtherNamesFitToo) {
  const std::string longest = std::string(251, 'x') + ".txt";
  EXPECT_EQ(other_file_name(longest, 1), std::string(247, 'x') + " (1).txt");
  // Not within a character.
  std::string umlauts;
  for (int i = 0; i < 127; ++i) umlauts += "ü";
  const std::string other = other_file_name(umlauts, 1);
  EXPECT_LE(other.size(), 255U);
  EXPECT_EQ(file_name_fault(other), "");
  EXPECT_EQ(other_file_name("a." + std::string(253, 'e'), 1).size(), 255U);
}

}  // namespace
}  // namespace p2pd::proto
