#include <limits>

#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

constexpr std::uint64_t kEpoch = 0xfedcba9876543210;  // above 2^63: 64 bits are kept as they are

class StoreInbox : public StoreTest {
 protected:
  void SetUp() override {
    open(options());
    ASSERT_TRUE(add_peer(1));
    ASSERT_TRUE(add_peer(2));
  }
  static Options options() {
    Options options;
    options.wall_clock = [] { return at(5555); };
    return options;
  }
};

TEST_F(StoreInbox, MessagesComeBackAsTheyWereStored) {
  InboundMessage message = inbound(3);
  message.reply_to = message_id(5);
  message.content_type = "application/x";
  message.data = {0, 255, 0};
  const auto committed = commit(1, kEpoch, {message});
  ASSERT_TRUE(committed);
  EXPECT_EQ(committed->high_water, 3U);
  EXPECT_EQ(committed->stored, 1U);
  EXPECT_FALSE(committed->full);
  reopen(options());
  const auto rows = inbox();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].cursor, committed->last_cursor);
  EXPECT_EQ(rows[0].peer, peer_id(1));
  EXPECT_EQ(rows[0].received, at(5555));
  EXPECT_EQ(rows[0].message.sequence, 3U);
  EXPECT_EQ(rows[0].message.id, message.id);
  EXPECT_EQ(rows[0].message.sent, message.sent);
  EXPECT_EQ(rows[0].message.content_type, message.content_type);
  EXPECT_EQ(rows[0].message.reply_to, message.reply_to);
  EXPECT_EQ(rows[0].message.data, message.data);
}

TEST_F(StoreInbox, RepeatsAreDroppedAcrossReopening) {
  ASSERT_TRUE(commit(1, kEpoch, {inbound(1), inbound(2), inbound(2), inbound(1)}));
  reopen(options());
  const auto again = commit(1, kEpoch, {inbound(1), inbound(2), inbound(3)});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->stored, 1U);
  EXPECT_EQ(again->high_water, 3U);
  EXPECT_EQ(inbox().size(), 3U);
  const auto repeat = commit(1, kEpoch, {inbound(2)});
  EXPECT_EQ(repeat->stored, 0U);
  EXPECT_EQ(repeat->high_water, 3U);
  EXPECT_EQ(repeat->last_cursor, 0U);
}

TEST_F(StoreInbox, RepeatsAreDroppedAfterTheyWereRead) {
  ASSERT_TRUE(commit(1, kEpoch, {inbound(1)}));
  EXPECT_EQ(acknowledge({}, 1).value(), 1U);
  EXPECT_EQ(commit(1, kEpoch, {inbound(1)})->stored, 0U);
  EXPECT_TRUE(inbox().empty());
}

TEST_F(StoreInbox, MarksArePerPeerAndEpoch) {
  EXPECT_EQ(mark(1, kEpoch), 0U);
  ASSERT_TRUE(commit(1, kEpoch, {inbound(5)}));
  EXPECT_EQ(mark(1, kEpoch), 5U);
  EXPECT_EQ(mark(1, kEpoch + 1), 0U);
  EXPECT_EQ(mark(2, kEpoch), 0U);
  EXPECT_EQ(commit(1, kEpoch + 1, {inbound(1)})->stored, 1U);
  EXPECT_EQ(mark(1, kEpoch), 5U);
}

TEST_F(StoreInbox, EpochsThatAPeerMakesUpAreBounded) {
  for (std::uint64_t epoch = 1; epoch <= 20; ++epoch) ASSERT_TRUE(commit(1, epoch, {inbound(4)}));
  EXPECT_EQ(mark(1, 1), 0U);
  EXPECT_EQ(mark(1, 13), 4U);
  EXPECT_EQ(mark(1, 20), 4U);
}

TEST_F(StoreInbox, CursorsGrowAndAreNeverUsedTwice) {
  ASSERT_TRUE(commit(1, kEpoch, {inbound(1), inbound(2)}));
  ASSERT_TRUE(commit(2, kEpoch, {inbound(1)}));
  const std::uint64_t last = inbox().back().cursor;
  EXPECT_EQ(acknowledge({}, last).value(), 3U);
  reopen(options());
  ASSERT_TRUE(commit(1, kEpoch, {inbound(3)}));
  EXPECT_GT(inbox()[0].cursor, last);
}

TEST_F(StoreInbox, ListsAreBoundedAndContinueByCursor) {
  ASSERT_TRUE(commit(1, kEpoch, {inbound(1, 100), inbound(2, 100)}));
  ASSERT_TRUE(commit(2, kEpoch, {inbound(1, 100)}));
  EXPECT_EQ(inbox().size(), 3U);
  EXPECT_EQ(inbox({}, 0, 2).size(), 2U);
  EXPECT_EQ(inbox({}, 0, 10, 1).size(), 1U);
  EXPECT_EQ(inbox({}, 0, 10, 101).size(), 2U);
  EXPECT_EQ(inbox({}, inbox()[1].cursor).size(), 1U);
  EXPECT_EQ(inbox(peer_id(1)).size(), 2U);
  EXPECT_EQ(inbox(peer_id(2)).size(), 1U);
  EXPECT_TRUE(inbox({}, ~std::uint64_t{0}).empty());
}

TEST_F(StoreInbox, AcknowledgingCanBeForOnePeer) {
  ASSERT_TRUE(commit(1, kEpoch, {inbound(1)}));
  ASSERT_TRUE(commit(2, kEpoch, {inbound(1)}));
  ASSERT_TRUE(commit(1, kEpoch, {inbound(2)}));
  EXPECT_EQ(acknowledge(peer_id(1), 2).value(), 1U);
  EXPECT_EQ(inbox().size(), 2U);
  EXPECT_EQ(acknowledge({}, ~std::uint64_t{0}).value(), 2U);
  EXPECT_EQ(acknowledge({}, ~std::uint64_t{0}).value(), 0U);
}

TEST_F(StoreInbox, QuotaTakesWhatFitsAndSaysFull) {
  Options limited = options();
  limited.inbox_messages = 3;
  reopen(limited);
  const auto some = commit(1, kEpoch, {inbound(1), inbound(2), inbound(3), inbound(4)});
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->full);
  EXPECT_EQ(some->high_water, 3U);
  EXPECT_EQ(mark(1, kEpoch), 3U);
  const auto none = commit(1, kEpoch, {inbound(4)});
  EXPECT_TRUE(none->full);
  EXPECT_EQ(none->high_water, 3U);
  // Repeats are acknowledged even so.
  EXPECT_FALSE(commit(1, kEpoch, {inbound(3)})->full);
  EXPECT_FALSE(commit(2, kEpoch, {inbound(1)})->full);
  ASSERT_TRUE(acknowledge(peer_id(1), inbox(peer_id(1))[0].cursor));
  EXPECT_EQ(commit(1, kEpoch, {inbound(4)})->high_water, 4U);
}

TEST_F(StoreInbox, QuotaCountsBytes) {
  Options limited = options();
  limited.inbox_bytes = 100;
  reopen(limited);
  const auto some = commit(1, kEpoch, {inbound(1, 50), inbound(2, 50), inbound(3, 1)});
  EXPECT_TRUE(some->full);
  EXPECT_EQ(some->high_water, 2U);
  ASSERT_TRUE(acknowledge({}, some->last_cursor));
  EXPECT_FALSE(commit(1, kEpoch, {inbound(3, 100)})->full);
}

TEST_F(StoreInbox, SequencesOutsideTheRangeStoreNothingOfTheCall) {
  constexpr std::uint64_t kHighest = std::numeric_limits<std::int64_t>::max();
  EXPECT_TRUE(is(commit(1, kEpoch, {inbound(0)}).error(), StoreError::invalid));
  EXPECT_TRUE(is(commit(1, kEpoch, {inbound(1), inbound(kHighest + 1)}).error(), StoreError::invalid));
  EXPECT_EQ(mark(1, kEpoch), 0U);
  EXPECT_TRUE(inbox().empty());
  EXPECT_EQ(commit(1, kEpoch, {inbound(kHighest)})->high_water, kHighest);
  EXPECT_EQ(mark(1, kEpoch), kHighest);
}

TEST_F(StoreInbox, StrangersHaveNone) {
  EXPECT_TRUE(is(commit(3, kEpoch, {inbound(1)}).error(), StoreError::not_found));
  ASSERT_TRUE(remove(1));
  EXPECT_TRUE(is(commit(1, kEpoch, {inbound(1)}).error(), StoreError::not_found));
}

TEST_F(StoreInbox, TheMessageEpochIsMadeWithTheDatabase) {
  const std::uint64_t epoch = store_->message_epoch();
  reopen();
  EXPECT_EQ(store_->message_epoch(), epoch);
  const Folder other;
  EXPECT_NE(Store::open(other.file()).value()->message_epoch(), epoch);
}

}  // namespace
}  // namespace p2pd::store
