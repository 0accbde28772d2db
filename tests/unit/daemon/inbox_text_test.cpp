#include "daemon/inbox_text.hpp"

#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::daemon {
namespace {

using nlohmann::json;

base::PeerId peer_of(std::uint8_t byte) { return *base::PeerId::from_bytes(base::Bytes(32, byte)); }

store::InboxRow row_of(std::uint64_t cursor, std::string_view body) {
  store::InboxRow row;
  row.cursor = cursor;
  row.peer = peer_of(1);
  row.received = base::WallTime(std::chrono::milliseconds(1'706'702'400'007));
  row.message.sequence = cursor + 10;
  row.message.id = std::string(32, 'a');
  row.message.sent = base::WallTime(std::chrono::milliseconds(1'706'702'400'000));
  row.message.content_type = "text/plain";
  row.message.data.assign(body.begin(), body.end());
  return row;
}

json page_of(const std::vector<store::InboxRow>& rows) {
  return json::parse(
      inbox_text(rows, 99, [](const base::PeerId& peer) { return peer == peer_of(1) ? "carol \"c\"" : ""; }));
}

TEST(InboxText, HasAllThatIsKnownOfAMessage) {
  store::InboxRow row = row_of(5, "say \"hi\"\n");
  row.message.reply_to = std::string(32, 'b');
  const json page = page_of({row});
  EXPECT_EQ(page, (json{{"next", 99},
                        {"messages",
                         {{{"cursor", 5},
                           {"id", std::string(32, 'a')},
                           {"peer", peer_of(1).text()},
                           {"name", "carol \"c\""},
                           {"sequence", 15},
                           {"sent", "2024-01-31T12:00:00.000Z"},
                           {"received", "2024-01-31T12:00:00.007Z"},
                           {"content_type", "text/plain"},
                           {"reply_to", std::string(32, 'b')},
                           {"text", "say \"hi\"\n"}}}}}));
}

TEST(InboxText, IsAnEmptyListWithoutMessages) {
  EXPECT_EQ(page_of({}), (json{{"next", 99}, {"messages", json::array()}}));
}

TEST(InboxText, TellsEachRowsOwnValuesWhereTheyChange) {
  std::vector<store::InboxRow> rows{row_of(1, "one"), row_of(2, "two"), row_of(3, "three")};
  rows[1].peer = peer_of(2);
  rows[1].received += std::chrono::seconds(1);
  rows[1].message.sent += std::chrono::seconds(2);
  rows[1].message.content_type = "text/markdown";
  const json messages = page_of(rows)["messages"];
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[1]["peer"], peer_of(2).text());
  EXPECT_TRUE(messages[1]["name"].is_null());
  EXPECT_EQ(messages[1]["received"], "2024-01-31T12:00:01.007Z");
  EXPECT_EQ(messages[1]["sent"], "2024-01-31T12:00:02.000Z");
  EXPECT_EQ(messages[1]["content_type"], "text/markdown");
  for (const std::size_t other : {0U, 2U}) {
    EXPECT_EQ(messages[other]["peer"], peer_of(1).text());
    EXPECT_EQ(messages[other]["name"], "carol \"c\"");
    EXPECT_EQ(messages[other]["sent"], "2024-01-31T12:00:00.000Z");
    EXPECT_EQ(messages[other]["content_type"], "text/plain");
    EXPECT_TRUE(messages[other]["reply_to"].is_null());
  }
}

TEST(InboxText, SendsWhatIsNotTextAsBase64) {
  store::InboxRow foreign = row_of(1, "\xff\xfe");
  store::InboxRow binary = row_of(2, "abc");
  binary.message.content_type = "application/octet-stream";
  const json messages = page_of({foreign, binary})["messages"];
  EXPECT_EQ(messages[0]["data_base64"], "//4=");
  EXPECT_EQ(messages[1]["data_base64"], "YWJj");
  for (const json& message : messages) EXPECT_FALSE(message.contains("text"));
}

}  // namespace
}  // namespace p2pd::daemon
