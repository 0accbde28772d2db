#include "ipc/schema.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ipc {
namespace {

using nlohmann::json;

TEST(Schema, OfAnObjectSaysWhatIsNeeded) {
  EXPECT_EQ(schema_of_shape("{}"), json::parse(R"({"type":"object","properties":{}})"));
  EXPECT_EQ(schema_of_shape("{ id: string, size?: count,\n flags: [boolean] }"),
            json::parse(R"({"type":"object","required":["id","flags"],"properties":{"id":{"type":"string"},
                "size":{"type":"integer","minimum":0},"flags":{"type":"array","items":{"type":"boolean"}}}})"));
}

TEST(Schema, OfOneTypeIsThatAndOfSeveralAnyOfThem) {
  EXPECT_EQ(schema_of_shape("number"), json::parse(R"({"type":"number"})"));
  EXPECT_EQ(schema_of_shape("number|null"), json::parse(R"({"anyOf":[{"type":"number"},{"type":"null"}]})"));
  EXPECT_EQ(schema_of_shape("any"), json::object());
}

TEST(Schema, OfWordsIsOneEnumeration) {
  EXPECT_EQ(schema_of_shape("on|off"), json::parse(R"({"type":"string","enum":["on","off"]})"));
  EXPECT_EQ(schema_of_shape("nat-pmp | boolean | pcp"),
            json::parse(R"({"anyOf":[{"type":"string","enum":["nat-pmp","pcp"]},{"type":"boolean"}]})"));
}

TEST(Schema, OfARangeIsAnIntegerWithin) {
  EXPECT_EQ(schema_of_shape("1..200"), json::parse(R"({"type":"integer","minimum":1,"maximum":200})"));
  EXPECT_EQ(schema_of_shape("1.."), json::parse(R"({"type":"integer","minimum":1})"));
}

TEST(Schema, NestsAndRefers) {
  EXPECT_EQ(schema_of_shape("[{ peer: PeerId|null }]"),
            json::parse(R"({"type":"array","items":{"type":"object","required":["peer"],"properties":{"peer":
                {"anyOf":[{"$ref":"#/components/schemas/PeerId"},{"type":"null"}]}}}})"));
  EXPECT_EQ(schema_of_shape("<string|[string]>"),
            json::parse(R"({"type":"object","additionalProperties":{"anyOf":[{"type":"string"},
                {"type":"array","items":{"type":"string"}}]}})"));
}

TEST(Schema, ThatIsWrittenOutIsTakenAsItIs) {
  EXPECT_EQ(schema_of_shape(R"({"type":"string","pattern":"^x$"})"),
            json::parse(R"({"type":"string","pattern":"^x$"})"));
}

TEST(SchemaDeathTest, AShapeThatIsNoneIsAFaultOfTheProgram) {
  for (const char* wrong :
       {"", "{", "{ id }", "{ id: }", "[string", "string string", "<", "{ id: string } x", "{\"type\""}) {
    EXPECT_DEATH((void)schema_of_shape(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace p2pd::ipc
