#include "ipc/usual_call.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ipc {
namespace {

using nlohmann::json;
using namespace std::string_view_literals;

// A batch is never a usual call, so that its requests go through the tree.
CallLine by_the_tree(std::string_view line) { return parse_calls("[" + std::string(line) + "]"); }

const std::vector<std::string> kUsual{
    R"({"jsonrpc":"2.0","id":1,"method":"message.send","params":{"peer":"bob","text":"x"}})",
    R"( { "params" : { } , "method" : "m" , "id" : "a\"b\u00fc" , "jsonrpc" : "2.0" } )",
    R"({"jsonrpc":"2.0","method":"m"})",
    R"({"jsonrpc":"2.0","id":-7,"method":"m","params":{"a":[1,[],{"b":[{}]},"",null,true,false],"c":{"d":{"e":0}}}})",
    R"({"jsonrpc":"2.0","id":18446744073709551615,"method":"m","params":{"n":-9223372036854775808}})",
    R"({"jsonrpc":"2.0","id":0,"method":"m","params":{"twice":[1],"twice":{"x":2},"twice":3,"k\n\u00e9y":"grün \ud83d\ude00\\\/\b"}})",
};

void expect_as_by_the_tree(const Call& call, std::string_view line) {
  const CallLine calls = by_the_tree(line);
  ASSERT_EQ(calls.calls.size(), 1U) << line;
  const Call& other = calls.calls.front();
  ASSERT_FALSE(other.error) << line;
  ASSERT_FALSE(call.error) << line;
  EXPECT_EQ(call.id, other.id) << line;
  EXPECT_EQ(call.method, other.method) << line;
  EXPECT_EQ(*call.params, *other.params) << line;
}

TEST(UsualCall, IsReadAsTheTreeReadsIt) {
  for (const std::string& line : kUsual) {
    const auto call = read_usual_call(line);
    ASSERT_TRUE(call) << line;
    expect_as_by_the_tree(*call, line);
  }
}

TEST(UsualCall, KeepsLongTextWhole) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "ü\n\"" + std::to_string(i);
  const std::string line = encode_request("1", "m", {{text, text}});
  const auto call = read_usual_call(line);
  ASSERT_TRUE(call);
  EXPECT_EQ(*call->params, (json{{text, text}}));
}

TEST(UsualCall, LeavesAllElseToTheTree) {
  for (const char* const line :
       {"",
        "{}",
        "[]",
        "1",
        "\"x\"",
        "null",
        R"([{"jsonrpc":"2.0","id":1,"method":"m"}])",
        R"({"jsonrpc":"1.0","id":1,"method":"m"})",
        R"({"jsonrpc":2,"id":1,"method":"m"})",
        R"({"id":1,"method":"m"})",
        R"({"jsonrpc":"2.0","id":1})",
        R"({"jsonrpc":"2.0","id":1,"method":5})",
        R"({"jsonrpc":"2.0","id":1,"method":""})",
        R"({"jsonrpc":"2.0","id":1.5,"method":"m"})",
        R"({"jsonrpc":"2.0","id":null,"method":"m"})",
        R"({"jsonrpc":"2.0","id":true,"method":"m"})",
        R"({"jsonrpc":"2.0","id":{},"method":"m"})",
        R"({"jsonrpc":"2.0","id":1,"id":2,"method":"m"})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","method":"n"})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":[]})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":{},"params":{}})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"n":1.5}})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"n":18446744073709551616}})",
        R"({"jsonrpc":"2.0","id":1,"method":"m","other":1})",
        R"({"jsonrpc":"2.0","id":1,"method":"m"} x)",
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"a":"\ud800"}})",
        R"({"jsonrpc":"2.0","id":1,"method":"m")"}) {
    EXPECT_FALSE(read_usual_call(line)) << line;
  }
}

TEST(UsualCall, NeverTakesWhatTheTreeRefuses) {
  // Each byte of each request replaced by what has a meaning in JSON or none in UTF-8, left out, and doubled.
  constexpr auto kBytes = "\"\\{}[]:,0-.eEu/ \t\x00\x01\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xff"sv;
  std::size_t taken = 0;
  for (const std::string& line : kUsual) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      std::vector<std::string> variants{std::string(line).erase(at, 1),
                                        std::string(line).insert(at, 1, line[at])};
      for (const char byte : kBytes) {
        variants.push_back(line);
        variants.back()[at] = byte;
      }
      for (const std::string& variant : variants) {
        const auto call = read_usual_call(variant);
        if (!call) continue;
        ++taken;
        expect_as_by_the_tree(*call, variant);
      }
    }
  }
  EXPECT_GT(taken, 1000U);
}

}  // namespace
}  // namespace p2pd::ipc
