#include "ipc/method_table.hpp"

#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "ipc/codec.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

class MethodTableTest : public ::testing::Test {
 protected:
  MethodTableTest() {
    Method method;
    method.name = "thing.make";
    method.tier = Tier::operate;
    method.summary = "Makes a thing.";
    method.params = {{"name", Type::text, Presence::required, "what it is called"},
                     {"size", Type::count, Presence::optional, "how large"},
                     {"shift", Type::integer, Presence::optional, "which way"},
                     {"tags", Type::texts, Presence::optional, "words"},
                     {"direct", Type::text | Type::boolean, Presence::optional, "on, off"},
                     {"ratio", Type::number, Presence::optional, "how much"},
                     {"more", Type::object, Presence::optional, "anything"},
                     {"list", Type::array, Presence::optional, "anything"}};
    method.result = "the thing";
    method.fields = {{"name", Type::text, "as given"}, {"parent", Type::text | Type::null, "or none"}};
    method.handler = [this](Request request, Responder responder) {
      seen_ = std::make_unique<Request>(std::move(request));
      responder.ok({{"name", seen_->params()["name"]}});
    };
    table_.add(std::move(method));
  }

  Answer call(std::string_view method, json params, Tier tier = Tier::admin) {
    std::string line;
    Request request(std::move(params), ClientInfo{ClientId{1}, 0, 0, tier});
    table_.call(method, std::move(request),
                Responder("7", [&](std::string answer) { line = std::move(answer); }));
    const auto answer = parse_answer(line);
    EXPECT_TRUE(answer) << line;
    return answer.value_or(Answer{});
  }

  // The message of the -32602 that these parameters have to give.
  std::string complaint(json params) {
    const Answer answer = call("thing.make", std::move(params));
    EXPECT_TRUE(answer.error && answer.error->code == ErrorCode::invalid_params);
    EXPECT_EQ(seen_, nullptr);
    return answer.error ? answer.error->message : "";
  }

  MethodTable table_{"test", "1.2.3"};
  std::unique_ptr<Request> seen_;
};

TEST_F(MethodTableTest, RunsTheHandlerWithCheckedParameters) {
  const Answer answer = call(
      "thing.make",
      {{"name", "x"}, {"size", 3}, {"shift", -3}, {"direct", true}, {"tags", {"a", "b"}}, {"ratio", 0.5}});
  ASSERT_FALSE(answer.error);
  EXPECT_EQ(answer.id, "7");
  EXPECT_EQ(seen_->text("name"), "x");
  EXPECT_EQ(seen_->integer("size"), 3);
  EXPECT_EQ(seen_->integer("shift"), -3);
  EXPECT_EQ(seen_->boolean("direct"), true);
  EXPECT_EQ(seen_->texts("tags"), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(seen_->text("more"));
}

TEST_F(MethodTableTest, NamesAMissingParameter) {
  EXPECT_NE(complaint(json::object()).find("`name`"), std::string::npos);
}

TEST_F(MethodTableTest, NamesAParameterOfTheWrongType) {
  const std::vector<std::pair<std::string, json>> wrong{{"name", 5},
                                                        {"name", nullptr},
                                                        {"size", -1},
                                                        {"size", 1.5},
                                                        {"size", "1"},
                                                        {"size", 1ULL << 63U},
                                                        {"shift", 1ULL << 63U},
                                                        {"tags", {"a", 1}},
                                                        {"tags", "a"},
                                                        {"direct", 1},
                                                        {"ratio", "1"},
                                                        {"more", json::array()},
                                                        {"list", json::object()}};
  for (const auto& [name, value] : wrong) {
    json params = {{"name", "x"}};
    params[name] = value;
    EXPECT_NE(complaint(params).find("`" + name + "`"), std::string::npos) << name << value;
  }
}

TEST_F(MethodTableTest, RefusesUnknownParametersByName) {
  EXPECT_NE(complaint({{"name", "x"}, {"colour", 1}}).find("`colour`"), std::string::npos);
}

TEST_F(MethodTableTest, AnswersUnknownMethods) {
  const Answer answer = call("thing.break", json::object());
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code, ErrorCode::method_not_found);
  EXPECT_NE(answer.error->message.find("thing.break"), std::string::npos);
}

TEST_F(MethodTableTest, RefusesCallsAboveTheClientsTier) {
  const Answer answer = call("thing.make", {{"name", "x"}}, Tier::read);
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->code, ErrorCode::not_permitted);
  EXPECT_EQ(seen_, nullptr);
  EXPECT_FALSE(call("thing.make", {{"name", "x"}}, Tier::operate).error);
}

TEST_F(MethodTableTest, AnswersForAHandlerThatThrowsOrForgets) {
  Method throws;
  throws.name = "throws";
  throws.handler = [](const Request&, const Responder&) { throw std::runtime_error("secret detail"); };
  table_.add(std::move(throws));
  Method forgets;
  forgets.name = "forgets";
  forgets.handler = [](const Request&, const Responder&) {};
  table_.add(std::move(forgets));
  for (const char* const name : {"throws", "forgets"}) {
    const Answer answer = call(name, json::object());
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->code, ErrorCode::internal_error);
    EXPECT_EQ(answer.error->message.find("secret"), std::string::npos);
  }
}

TEST_F(MethodTableTest, DiscoverTellsShapesErrorsAndExamples) {
  constexpr NamedShape kShapes[] = {{"Thing", "{ name: string }", "a thing"}};
  constexpr MethodShape kMethods[] = {{"thing.make", "{ size?: 1..3 }", "{ name: string, of?: Thing }",
                                       "quota busy", R"({"name":"x"})", R"({"name":"x"})"}};
  constexpr EventShape kEvents[] = {{"thing", "made", "{ name: string }", "a thing was made"}};
  table_.set_details({kShapes, kMethods, kEvents});
  const json document = table_.discover();
  EXPECT_EQ(document["components"]["schemas"]["Thing"]["description"], "a thing");
  EXPECT_EQ(document["components"]["errors"]["quota"],
            (json{{"code", 1011}, {"message", "quota"}, {"data", {{"reason", "quota"}}}}));
  EXPECT_EQ(document["components"]["errors"].size(), all_error_codes().size());
  const json& method = document["methods"][1];
  EXPECT_EQ(method["params"][1]["schema"], (json{{"type", "integer"}, {"minimum", 1}, {"maximum", 3}}));
  EXPECT_EQ(method["params"][0]["schema"], (json{{"type", "string"}})) << "the row's own";
  const json& properties = method["result"]["schema"]["properties"];
  EXPECT_EQ(properties["of"]["$ref"], "#/components/schemas/Thing");
  EXPECT_EQ(properties["name"], (json{{"type", "string"}, {"description", "as given"}}));
  EXPECT_EQ(method["errors"].size(), 6U);
  EXPECT_EQ(method["errors"][5], (json{{"$ref", "#/components/errors/busy"}}));
  EXPECT_EQ(method["examples"][0]["params"], (json::array({{{"name", "name"}, {"value", "x"}}})));
  EXPECT_EQ(method["examples"][0]["result"]["value"], (json{{"name", "x"}}));
  EXPECT_EQ(document["x-events"][0]["topic"], "thing");
  EXPECT_EQ(document["x-events"][0]["schema"]["required"], (json{"name"}));
  EXPECT_FALSE(document["methods"][0].contains("examples")) << "nothing is said of it";
}

TEST_F(MethodTableTest, DiscoverDescribesEveryRow) {
  const json document = *call("rpc.discover", json::object(), Tier::read).value;
  EXPECT_EQ(document["openrpc"], "1.2.6");
  EXPECT_EQ(document["info"], (json{{"title", "test"}, {"version", "1.2.3"}}));
  ASSERT_EQ(document["methods"].size(), table_.methods().size());
  for (std::size_t i = 0; i < table_.methods().size(); ++i) {
    const Method& row = table_.methods()[i];
    const json& method = document["methods"][i];
    EXPECT_EQ(method["name"], row.name);
    EXPECT_EQ(method["summary"], row.summary);
    EXPECT_EQ(method["x-tier"], to_string(row.tier));
    EXPECT_EQ(method["paramStructure"], "by-name");
    ASSERT_EQ(method["params"].size(), row.params.size());
    for (std::size_t p = 0; p < row.params.size(); ++p) {
      EXPECT_EQ(method["params"][p]["name"], row.params[p].name);
      EXPECT_EQ(method["params"][p]["required"], row.params[p].presence == Presence::required);
      EXPECT_TRUE(method["params"][p]["schema"].is_object());
    }
    EXPECT_EQ(method["result"]["schema"]["properties"].size(), row.fields.size());
  }
  const json& make = document["methods"][1];
  EXPECT_EQ(make["params"][1]["schema"], (json{{"type", "integer"}, {"minimum", 0}}));
  EXPECT_EQ(make["params"][4]["schema"]["anyOf"].size(), 2U);
}

TEST(Responder, AnswersWhenItIsDropped) {
  std::string line;
  {
    const Responder responder("1", [&](std::string answer) { line = std::move(answer); });
  }
  EXPECT_EQ(parse_answer(line)->error->code, ErrorCode::internal_error);
}

TEST(Responder, AnswersOnceAfterMoves) {
  int answers = 0;
  Responder first("1", [&](const std::string&) { ++answers; });
  Responder second = std::move(first);
  Responder third("2", [&](const std::string&) { ++answers; });
  third = std::move(second);  // the call that third held is answered here
  EXPECT_EQ(answers, 1);
  third.ok();
  EXPECT_EQ(answers, 2);
  EXPECT_TRUE(third.answered());
}

TEST(Responder, SaysNothingToANotification) {
  std::string line = "unset";
  Responder responder("", [&](std::string answer) { line = std::move(answer); });
  responder.error(ErrorCode::busy, "later");
  EXPECT_EQ(line, "");
}

}  // namespace
}  // namespace p2pd::ipc
