#include "ipc/codec.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ipc {
namespace {

using nlohmann::json;

Call one(std::string_view line) {
  CallLine calls = parse_calls(line);
  EXPECT_EQ(calls.calls.size(), 1U);
  EXPECT_FALSE(calls.batch);
  return std::move(calls.calls.at(0));
}

ErrorCode error_of(std::string_view line) {
  const Call call = one(line);
  EXPECT_TRUE(call.error.has_value()) << line;
  return call.error ? call.error->code : ErrorCode{};
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Codec, ReadsWhatItWrites) {
  const json params = {{"text", "grüß\n\"dich\""}, {"count", 7}};
  const Call call = one(encode_request("12", "peer.add", params));
  EXPECT_FALSE(call.error);
  EXPECT_EQ(call.id, "12");
  EXPECT_EQ(call.method, "peer.add");
  EXPECT_EQ(*call.params, params);
}

TEST(Codec, KeepsStringIdsAsJson) {
  EXPECT_EQ(one(R"({"jsonrpc":"2.0","id":"a\"b","method":"m"})").id, R"("a\"b")");
}

TEST(Codec, TreatsARequestWithoutIdAsNotification) {
  const Call call = one(R"({"jsonrpc":"2.0","method":"m"})");
  EXPECT_FALSE(call.error);
  EXPECT_TRUE(call.id.empty());
  EXPECT_EQ(*call.params, json::object());
}

TEST(Codec, CallsMalformedJsonAParseError) {
  for (const char* const line :
       {"", " ", "hello", "{", "{]", R"({"a":)", R"({"a":1}})", "{\"a\":01}", "'x'", "{} {}", "\x01\x02\xff",
        "nul", R"({"a":"\ud800"})", "[1e999]", R"({"a":"x)"}) {
    EXPECT_EQ(error_of(line), ErrorCode::parse_error) << line;
    EXPECT_EQ(one(line).id, "null");
  }
}

TEST(Codec, RefusesNulBytesThatWouldHideTheRestOfTheLine) {
  using namespace std::string_view_literals;
  EXPECT_EQ(error_of("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}\0garbage"sv), ErrorCode::parse_error);
}

TEST(Codec, RefusesTextThatIsNotUtf8) {
  for (const std::string_view bytes :
       {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\x80"}) {
    const std::string line =
        R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"t":")" + std::string(bytes) + R"("}})";
    EXPECT_EQ(error_of(line), ErrorCode::parse_error);
  }
}

TEST(Codec, CountsDepthOutsideStringsOnly) {
  EXPECT_EQ(error_of(nested(kMaxDepth + 1)), ErrorCode::parse_error);
  const std::string call = R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"x":)";
  EXPECT_FALSE(one(call + nested(kMaxDepth - 2) + "}}").error);
  EXPECT_TRUE(one(call + nested(kMaxDepth - 1) + "}}").error);
  EXPECT_FALSE(one(call + "\"" + std::string(500, '[') + "\\\"" + std::string(500, '{') + "\"}}").error);
  EXPECT_NE(one(std::string(1000000, '[')).error->message.find("64"), std::string::npos);
}

TEST(Codec, CallsWrongObjectsInvalidRequests) {
  for (const char* const line :
       {"1", "\"x\"", "null", "{}", R"({"jsonrpc":"1.0","id":1,"method":"m"})",
        R"({"jsonrpc":2.0,"id":1,"method":"m"})", R"({"jsonrpc":"2.0","id":1})",
        R"({"jsonrpc":"2.0","id":1,"method":5})", R"({"jsonrpc":"2.0","id":{},"method":"m"})",
        R"({"jsonrpc":"2.0","id":true,"method":"m"})", "[]"}) {
    EXPECT_EQ(error_of(line), ErrorCode::invalid_request) << line;
  }
  EXPECT_EQ(one(R"({"jsonrpc":"2.0","id":9})").id, "9");
}

TEST(Codec, TakesNamedParametersOnly) {
  EXPECT_EQ(error_of(R"({"jsonrpc":"2.0","id":1,"method":"m","params":[1]})"), ErrorCode::invalid_params);
  EXPECT_EQ(error_of(R"({"jsonrpc":"2.0","id":1,"method":"m","params":null})"), ErrorCode::invalid_params);
}

TEST(Codec, ReadsBatchesUpToTheLimit) {
  std::string line = "[";
  for (std::size_t i = 0; i < kMaxBatch; ++i) line += R"({"jsonrpc":"2.0","id":1,"method":"m"},)";
  line.back() = ']';
  const CallLine calls = parse_calls(line);
  EXPECT_TRUE(calls.batch);
  EXPECT_EQ(calls.calls.size(), kMaxBatch);
  line.back() = ',';
  EXPECT_EQ(error_of(line + "1]"), ErrorCode::invalid_request);
}

TEST(Codec, KeepsGoodRequestsOfABatchWithABadOne) {
  const CallLine calls = parse_calls(R"([{"jsonrpc":"2.0","id":1,"method":"m"},5])");
  ASSERT_EQ(calls.calls.size(), 2U);
  EXPECT_FALSE(calls.calls[0].error);
  EXPECT_EQ(calls.calls[1].error->code, ErrorCode::invalid_request);
}

TEST(Codec, WritesResultsCompactlyOnOneLine) {
  EXPECT_EQ(encode_result("3", {{"a", "x\ny"}}), R"({"jsonrpc":"2.0","id":3,"result":{"a":"x\ny"}})");
}

TEST(Codec, ReplacesForeignBytesInWhatItWrites) {
  const std::string line = encode_result("3", {{"a", "x\xff"}});
  EXPECT_EQ(*parse_answer(line)->value, (json{{"a", "x\xEF\xBF\xBD"}}));
}

TEST(Codec, ErrorsKeepCodeMessageAndReason) {
  const auto answer = parse_answer(encode_error("null", {ErrorCode::quota, "too much: wait"}));
  ASSERT_TRUE(answer && answer->error);
  EXPECT_EQ(answer->id, "null");
  EXPECT_EQ(answer->error->code, ErrorCode::quota);
  EXPECT_EQ(answer->error->message, "too much: wait");
  EXPECT_EQ(answer->error->reason, "quota");
}

TEST(Codec, TellsNotificationsFromAnswers) {
  const auto answer = parse_answer(encode_notification("event", {{"seq", 1}}));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->method, "event");
  EXPECT_EQ(*answer->value, (json{{"seq", 1}}));
  for (const char* const line :
       {"", "5", "{}", R"({"id":1})", R"({"method":"m","id":1})", R"({"method":5})", "x"}) {
    EXPECT_FALSE(parse_answer(line)) << line;
  }
}

TEST(Errors, EveryCodeHasItsOwnWord) {
  std::set<std::string_view> words;
  for (const ErrorCode code : all_error_codes()) {
    EXPECT_NE(reason_of(code), "unknown");
    EXPECT_TRUE(words.insert(reason_of(code)).second) << reason_of(code);
  }
  EXPECT_EQ(reason_of(static_cast<ErrorCode>(4242)), "unknown");
}

TEST(Errors, AreAllInTheApisDocument) {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "../../../docs/api.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  for (const ErrorCode code : all_error_codes()) {
    const std::string row =
        "| " + std::to_string(static_cast<int>(code)) + " | `" + std::string(reason_of(code)) + "` |";
    EXPECT_NE(document.find(row), std::string::npos) << row;
  }
}

}  // namespace
}  // namespace p2pd::ipc
