#include "ctl/arguments.hpp"

#include <gtest/gtest.h>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using Words = std::vector<std::string>;

CtlResult<CommandLine> parse(const Words& words) {
  return parse_command_line(words, global_options(), commands());
}

std::string complaint(const Words& words) {
  const CtlResult<CommandLine> line = parse(words);
  EXPECT_FALSE(line);
  if (line) return "";
  EXPECT_EQ(line.error().code, ExitCode::usage);
  return line.error().message;
}

TEST(Arguments, TakesGlobalOptionsBeforeAndAfterTheCommand) {
  for (const Words& words :
       {Words{"--json", "--timeout", "3", "connect", "bob"}, Words{"connect", "bob", "--timeout=3", "--json"},
        Words{"connect", "--json", "bob", "--timeout", "3"}}) {
    const CtlResult<CommandLine> line = parse(words);
    ASSERT_TRUE(line);
    EXPECT_EQ(line->command->name, "connect");
    EXPECT_TRUE(line->global.has("--json"));
    EXPECT_EQ(line->global.value("--timeout"), "3");
    EXPECT_EQ(line->arguments.operands(), Words{"bob"});
  }
}

TEST(Arguments, ReadsOptionsOfTheCommand) {
  const CtlResult<CommandLine> line = parse({"connect", "--wait", "direct", "bob"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->arguments.value("--wait"), "direct");
  EXPECT_FALSE(line->arguments.has("--no-direct"));
  const CtlResult<CommandLine> peer =
      parse({"peer", "add", "bob", "id", "--relay", "ws://a", "--relay=ws://b"});
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->arguments.values("--relay"), (Words{"ws://a", "ws://b"}));
}

TEST(Arguments, TakesADashAndEverythingBehindTwoAsText) {
  const CtlResult<CommandLine> dash = parse({"send", "bob", "-"});
  ASSERT_TRUE(dash);
  EXPECT_EQ(dash->arguments.operand(1), "-");
  const CtlResult<CommandLine> text = parse({"send", "bob", "--", "--json"});
  ASSERT_TRUE(text);
  EXPECT_EQ(text->arguments.operand(1), "--json");
  EXPECT_FALSE(text->global.has("--json"));
}

TEST(Arguments, SaysWhatIsWrong) {
  EXPECT_NE(complaint({"conect", "bob"}).find("'conect'"), std::string::npos);
  EXPECT_NE(complaint({"connect"}).find("usage: p2pctl connect P"), std::string::npos);
  EXPECT_NE(complaint({"send", "bob", "two", "words"}).find("quote"), std::string::npos);
  EXPECT_NE(complaint({"connect", "bob", "--loud"}).find("--loud"), std::string::npos);
  EXPECT_NE(complaint({"--loud"}).find("--loud"), std::string::npos);
  EXPECT_NE(complaint({"connect", "bob", "--wait", "forever"}).find("relay|direct"), std::string::npos);
  EXPECT_NE(complaint({"connect", "bob", "--wait"}).find("needs a value"), std::string::npos);
  EXPECT_NE(complaint({"connect", "bob", "--no-direct=1"}).find("takes no value"), std::string::npos);
  EXPECT_NE(complaint({"--socket", "a", "--socket", "b", "id"}).find("twice"), std::string::npos);
  EXPECT_NE(complaint({"send", "bob", "-5"}).find("--"), std::string::npos);
  EXPECT_EQ(complaint({"bad\x1b[31m"}).find('\x1b'), std::string::npos);
}

TEST(Arguments, HelpNeedsNoOperands) {
  const CtlResult<CommandLine> line = parse({"connect", "--help"});
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->global.has("--help"));
}

TEST(Arguments, ParsesPositiveNumbersOnly) {
  EXPECT_EQ(*parse_positive("-c", "7"), 7);
  for (const char* const text : {"", "0", "-1", "1.5", "x", "7x", "99999999999999999999"}) {
    EXPECT_FALSE(parse_positive("-c", text)) << text;
  }
}

TEST(Commands, EveryRowIsWhole) {
  for (const Command& command : commands()) {
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_LE(command.min_operands, command.max_operands) << command.name;
    EXPECT_EQ(find_command(command.name), &command) << "twice: " << command.name;
  }
}

}  // namespace
}  // namespace p2pd::ctl
