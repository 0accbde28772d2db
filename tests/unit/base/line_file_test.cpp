#include "base/line_file.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::base {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::IsEmpty;

class LineFile : public testing::Test {
 protected:
  std::vector<LineEntry> read(const std::string& text) {
    std::ofstream(folder_ / "file", std::ios::binary) << text;
    const auto entries = read_line_file((folder_ / "file").string());
    EXPECT_TRUE(entries) << entries.error().message();
    return entries ? *entries : std::vector<LineEntry>();
  }
  boost::system::error_code error(const std::string& file) {
    const auto entries = read_line_file(file);
    return entries ? boost::system::error_code() : entries.error().code;
  }

  fakes::TempFolder folder_;
};

TEST_F(LineFile, SkipsBlankLinesAndCommentsAndKeepsLineNumbers) {
  EXPECT_THAT(read("# first\n\n  one  # of two\r\n\t\n#\ntwo"),
              ElementsAre(FieldsAre(3, "one"), FieldsAre(6, "two")));
}

TEST_F(LineFile, KeepsAHashInsideAWordAndBlanksBetweenWords) {
  EXPECT_THAT(read("a#b#c two\t#comment\n"), ElementsAre(FieldsAre(1, "a#b#c two")));
}

TEST_F(LineFile, AnEmptyFileHasNoEntry) {
  EXPECT_THAT(read(""), IsEmpty());
  EXPECT_THAT(read("\n"), IsEmpty());
}

TEST_F(LineFile, NamesWhatKeepsItFromReading) {
  EXPECT_EQ(error((folder_ / "absent").string()), boost::system::errc::no_such_file_or_directory);
  EXPECT_EQ(error(folder_.path().string()), boost::system::errc::is_a_directory);
  EXPECT_EQ(error("/dev/zero"), boost::system::errc::file_too_large);
}

}  // namespace
}  // namespace p2pd::base
