#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class StoreOutbox : public StoreTest {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(add_peer(1));
    ASSERT_TRUE(add_peer(2));
  }
};

TEST_F(StoreOutbox, NumbersFromOnePerPeer) {
  EXPECT_EQ(append(1, outbox_row(1))->sequence, 1U);
  EXPECT_EQ(append(2, outbox_row(2))->sequence, 1U);
  const auto third = append(1, outbox_row(3));
  EXPECT_EQ(third->sequence, 2U);
  EXPECT_EQ(third->id, message_id(3));
}

TEST_F(StoreOutbox, TakesManyInTheirOrderAndRefusesEachForItself) {
  Options options;
  options.outbox_messages = 3;
  reopen(options);
  ASSERT_TRUE(append(1, outbox_row(1)));
  const auto stored = append(1, std::vector{outbox_row(2), outbox_row(1), outbox_row(3), outbox_row(4)});
  ASSERT_TRUE(stored);
  ASSERT_EQ(stored->size(), 4U);
  EXPECT_EQ((*stored)[0]->sequence, 2U);
  EXPECT_TRUE(is((*stored)[1].error(), StoreError::already_exists));
  EXPECT_EQ((*stored)[2]->sequence, 3U);
  EXPECT_EQ((*stored)[2]->id, message_id(3));
  EXPECT_TRUE(is((*stored)[3].error(), StoreError::quota));
  EXPECT_EQ(outbox(1).size(), 3U);
  EXPECT_EQ(counts().at(0).messages, 3U);
  EXPECT_EQ(delivered(1, 3).size(), 3U);
  EXPECT_EQ(append(1, std::vector{outbox_row(4)})->at(0)->sequence, 4U);
  EXPECT_TRUE(is(append(3, std::vector{outbox_row(5)}).error(), StoreError::not_found));
}

TEST_F(StoreOutbox, MessagesComeBackAsTheyWereStored) {
  OutboxRow row = outbox_row(1);
  row.content_type = "application/x";
  row.reply_to = message_id(77);
  row.data = {0, 1, 0, 255};
  ASSERT_TRUE(append(1, row));
  ASSERT_TRUE(append(1, outbox_row(2, 0)));
  reopen();
  const auto rows = outbox(1);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].sequence, 1U);
  EXPECT_EQ(rows[0].id, row.id);
  EXPECT_EQ(rows[0].created, row.created);
  EXPECT_EQ(rows[0].content_type, row.content_type);
  EXPECT_EQ(rows[0].reply_to, row.reply_to);
  EXPECT_EQ(rows[0].data, row.data);
  EXPECT_TRUE(rows[1].data.empty());
}

TEST_F(StoreOutbox, LoadingIsBoundedByCountAndBytesButNeverStuck) {
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(append(1, outbox_row(i, 100)));
  EXPECT_EQ(outbox(1, 0, 3).size(), 3U);
  EXPECT_EQ(outbox(1, 0, 10, 1).size(), 1U);
  EXPECT_EQ(outbox(1, 0, 10, 200).size(), 2U);
  EXPECT_EQ(outbox(1, 0, 10, 201).size(), 3U);
  const auto rest = outbox(1, 3);
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].sequence, 4U);
  EXPECT_TRUE(outbox(1, ~std::uint64_t{0}).empty());
}

TEST_F(StoreOutbox, DeliveredOnesGoAndTheNumberingStays) {
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_TRUE(append(1, outbox_row(i)));
  ASSERT_TRUE(append(2, outbox_row(9)));
  const auto gone = delivered(1, 3);
  ASSERT_EQ(gone.size(), 3U);
  EXPECT_EQ(gone[0].sequence, 1U);
  EXPECT_EQ(gone[2].id, message_id(3));
  EXPECT_EQ(outbox(1).size(), 1U);
  EXPECT_EQ(outbox(2).size(), 1U);
  EXPECT_TRUE(delivered(1, 3).empty());
  EXPECT_EQ(delivered(1, ~std::uint64_t{0}).size(), 1U);
  reopen();
  EXPECT_EQ(append(1, outbox_row(5))->sequence, 5U);
}

TEST_F(StoreOutbox, DeliveryNobodyWaitsForIsSeenByTheNextCall) {
  ASSERT_TRUE(append(1, outbox_row(1)));
  store_->outbox_delivered(peer_id(1), 1, {}, {});
  EXPECT_TRUE(outbox(1).empty());
  EXPECT_TRUE(counts().empty());
}

TEST_F(StoreOutbox, CancelledOnesGoOnceAndLeaveAGap) {
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(append(1, outbox_row(i)));
  const auto entry = cancel(2);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->peer, peer_id(1));
  EXPECT_EQ(entry->sequence, 2U);
  EXPECT_TRUE(is(cancel(2).error(), StoreError::not_found));
  const auto rows = outbox(1);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].sequence, 3U);
}

TEST_F(StoreOutbox, ListsOnePeerOrAll) {
  ASSERT_TRUE(append(2, outbox_row(1, 10)));
  ASSERT_TRUE(append(1, outbox_row(2, 20)));
  ASSERT_TRUE(append(1, outbox_row(3, 30)));
  const auto all = listed();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].peer, peer_id(1));
  EXPECT_EQ(all[0].size, 20U);
  EXPECT_EQ(all[2].peer, peer_id(2));
  EXPECT_EQ(listed(peer_id(2)).size(), 1U);
  EXPECT_EQ(listed({}, 2).size(), 2U);
}

TEST_F(StoreOutbox, CountsWhatWaits) {
  ASSERT_TRUE(append(1, outbox_row(1, 10)));
  ASSERT_TRUE(append(1, outbox_row(2, 20)));
  ASSERT_TRUE(append(1, outbox_row(3, 30)));
  ASSERT_TRUE(cancel(2));
  const auto waiting = counts();
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].messages, 2U);
  EXPECT_EQ(waiting[0].bytes, 40U);
  EXPECT_EQ(delivered(1, 3).size(), 2U);
  EXPECT_TRUE(counts().empty());
}

TEST_F(StoreOutbox, AnUnknownPeerHasNone) {
  EXPECT_TRUE(is(append(3, outbox_row(1)).error(), StoreError::not_found));
  ASSERT_TRUE(append(1, outbox_row(1)));
  ASSERT_TRUE(remove(1));
  EXPECT_TRUE(is(append(1, outbox_row(2)).error(), StoreError::not_found));
  EXPECT_TRUE(outbox(1).empty());
}

TEST_F(StoreOutbox, AnIdIsUsedOnceAndTheFailureCostsNoQuotaAndNoNumber) {
  ASSERT_TRUE(append(1, outbox_row(1)));
  EXPECT_TRUE(is(append(1, outbox_row(1)).error(), StoreError::already_exists));
  EXPECT_EQ(counts()[0].messages, 1U);
  EXPECT_EQ(append(1, outbox_row(2))->sequence, 2U);
}

TEST_F(StoreOutbox, QuotaIsPerPeerByCount) {
  Options options;
  options.outbox_messages = 2;
  reopen(options);
  ASSERT_TRUE(append(1, outbox_row(1)));
  ASSERT_TRUE(append(1, outbox_row(2)));
  EXPECT_TRUE(is(append(1, outbox_row(3)).error(), StoreError::quota));
  EXPECT_TRUE(append(2, outbox_row(4)));
  (void)delivered(1, 1);
  EXPECT_EQ(append(1, outbox_row(3))->sequence, 3U);
}

TEST_F(StoreOutbox, QuotaIsPerPeerByBytes) {
  Options options;
  options.outbox_bytes = 100;
  reopen(options);
  ASSERT_TRUE(append(1, outbox_row(1, 60)));
  EXPECT_TRUE(is(append(1, outbox_row(2, 41)).error(), StoreError::quota));
  EXPECT_TRUE(append(1, outbox_row(2, 40)));
  ASSERT_TRUE(cancel(1));
  EXPECT_TRUE(append(1, outbox_row(3, 60)));
}

}  // namespace
}  // namespace p2pd::store
