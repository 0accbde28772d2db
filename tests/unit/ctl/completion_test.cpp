#include "ctl/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pd::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Option kOptions[] = {{"--file", "PATH", "a file"}, {"--quiet", "", "say nothing"}};

Command command(std::string_view usage) { return {"try", usage, "tries", kOptions, 0, 9, nullptr}; }

TEST(Completion, ReadsWhatAPlaceTakes) {
  EXPECT_THAT(choices_of("relay|direct").words, ElementsAre("relay", "direct"));
  EXPECT_TRUE(choices_of("P").peers);
  EXPECT_TRUE(choices_of("FILE").files);
  EXPECT_TRUE(choices_of("PATH").files);
  EXPECT_TRUE(choices_of("COMMAND").commands);
  const Choices mixed = choices_of("online|P|-");
  EXPECT_THAT(mixed.words, ElementsAre("online"));
  EXPECT_TRUE(mixed.peers);
  EXPECT_TRUE(choices_of("NAME").empty());
  EXPECT_TRUE(choices_of("").empty());
}

TEST(Completion, ReadsTheWaysToUseACommand) {
  const std::vector<Place> places =
      places_of(command("add NAME ID [--file PATH]... | list | set P KEY=VALUE... | remove P"));
  ASSERT_THAT(places, SizeIs(3));
  EXPECT_EQ(places[0].before, 0U);
  EXPECT_THAT(places[0].choices.words, ElementsAre("add", "list", "set", "remove"));
  EXPECT_EQ(places[1].before, 1U);
  EXPECT_EQ(places[1].first, "set");
  EXPECT_TRUE(places[1].choices.peers);
  EXPECT_EQ(places[2].first, "remove");
}

TEST(Completion, CountsOnlyOperands) {
  const std::vector<Place> behind = places_of(command("--file PATH P [--quiet] COMMAND"));
  ASSERT_THAT(behind, SizeIs(2));
  EXPECT_TRUE(behind[0].choices.peers);
  EXPECT_EQ(behind[0].before, 0U);
  EXPECT_FALSE(behind[0].choices.files);
  EXPECT_EQ(behind[1].before, 1U);
  EXPECT_EQ(behind[1].first, "");
  EXPECT_TRUE(behind[1].choices.commands);
  EXPECT_THAT(places_of(command("[list | cancel ID]"))[0].choices.words, ElementsAre("list", "cancel"));
  EXPECT_THAT(places_of(command("")), IsEmpty());
  EXPECT_THAT(places_of(command("[--quiet] METHOD [JSON]")), IsEmpty());
}

TEST(Completion, KeepsQuotesOfHelpTextsInside) {
  EXPECT_EQ(single_quoted("it's", "'\\''"), "'it'\\''s'");
  EXPECT_EQ(single_quoted("it's", "\\'"), "'it\\'s'");
}

TEST(Completion, NamesEveryCommandAndOptionInEveryShell) {
  for (const std::string& script : {bash_completion(), zsh_completion(), fish_completion()}) {
    EXPECT_EQ(script.find("VALUED_OPTIONS"), std::string::npos);
    for (const Command& each : commands()) {
      EXPECT_THAT(script, HasSubstr(std::string(each.name)));
      for (const Option& option : each.options)
        EXPECT_THAT(script, HasSubstr(std::string(option.name.substr(option.name.find_first_not_of('-')))));
    }
  }
}

}  // namespace
}  // namespace p2pd::ctl
