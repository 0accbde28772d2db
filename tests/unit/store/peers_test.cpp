#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class StorePeers : public StoreTest {
 protected:
  void SetUp() override { open(); }
};

TEST_F(StorePeers, ComeBackAsTheyWereStored) {
  PeerRow row = peer_row(1);
  row.wanted = true;
  row.direct = false;
  row.files = FilePolicy::refuse;
  ASSERT_TRUE(upsert(row));
  reopen();
  const auto rows = peers();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].id, row.id);
  EXPECT_EQ(rows[0].name, "peer1");
  EXPECT_EQ(rows[0].relays, row.relays);
  EXPECT_TRUE(rows[0].wanted);
  EXPECT_FALSE(rows[0].direct);
  EXPECT_EQ(rows[0].files, FilePolicy::refuse);
  EXPECT_EQ(rows[0].added, row.added);
}

TEST_F(StorePeers, WithoutRelaysHaveNone) {
  PeerRow row = peer_row(1);
  row.relays.clear();
  ASSERT_TRUE(upsert(row));
  EXPECT_TRUE(peers()[0].relays.empty());
}

TEST_F(StorePeers, UpsertReplacesAllButTheTimeOfAdding) {
  ASSERT_TRUE(add_peer(1));
  PeerRow row = peer_row(1);
  row.name = "other";
  row.relays = {"wss://three.example/"};
  row.added = at(5);
  ASSERT_TRUE(upsert(row));
  const auto rows = peers();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].name, "other");
  EXPECT_EQ(rows[0].relays, row.relays);
  EXPECT_EQ(rows[0].added, peer_row(1).added);
}

TEST_F(StorePeers, NamesAreUniqueAndCaseSensitive) {
  ASSERT_TRUE(add_peer(1));
  PeerRow row = peer_row(2);
  row.name = "peer1";
  const auto taken = upsert(row);
  ASSERT_FALSE(taken);
  EXPECT_TRUE(is(taken.error(), StoreError::name_taken)) << taken.error().message();
  row.name = "Peer1";
  EXPECT_TRUE(upsert(row));
  EXPECT_EQ(peers().size(), 2U);
}

TEST_F(StorePeers, RenamingToATakenNameChangesNothing) {
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(add_peer(2));
  PeerChange renamed;
  renamed.name = "peer1";
  renamed.wanted = true;
  const auto result = change(2, renamed);
  ASSERT_FALSE(result);
  EXPECT_TRUE(is(result.error(), StoreError::name_taken));
  EXPECT_EQ(peers()[1].name, "peer2");
  EXPECT_FALSE(peers()[1].wanted);
  // Its own name is not taken.
  renamed.name = "peer2";
  EXPECT_TRUE(change(2, renamed));
}

TEST_F(StorePeers, ChangeTouchesOnlyWhatIsSet) {
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(wait<void>([&](auto done) { store_->set_wanted(peer_id(1), true, {}, done); }));
  EXPECT_TRUE(peers()[0].wanted);
  EXPECT_EQ(peers()[0].relays.size(), 2U);
  ASSERT_TRUE(wait<void>([&](auto done) { store_->set_relays(peer_id(1), {"ws://x/"}, {}, done); }));
  EXPECT_EQ(peers()[0].relays, std::vector<std::string>{"ws://x/"});
  ASSERT_TRUE(wait<void>([&](auto done) { store_->set_relays(peer_id(1), {}, {}, done); }));
  EXPECT_TRUE(peers()[0].relays.empty());
  EXPECT_TRUE(peers()[0].wanted);
  EXPECT_EQ(peers()[0].name, "peer1");
}

TEST_F(StorePeers, UnknownOnesAreNotFound) {
  const auto changed = change(1, {});
  ASSERT_FALSE(changed);
  EXPECT_TRUE(is(changed.error(), StoreError::not_found));
  const auto removed = remove(1);
  ASSERT_FALSE(removed);
  EXPECT_TRUE(is(removed.error(), StoreError::not_found));
}

TEST_F(StorePeers, WhatCannotBeStoredIsRefused) {
  PeerRow row = peer_row(1);
  row.name.clear();
  EXPECT_TRUE(is(upsert(row).error(), StoreError::invalid));
  row = peer_row(1);
  row.relays = {"wss://a/\nwss://b/"};
  EXPECT_TRUE(is(upsert(row).error(), StoreError::invalid));
  row = peer_row(1);
  row.id = base::PeerId();
  EXPECT_TRUE(is(upsert(row).error(), StoreError::invalid));
  EXPECT_TRUE(peers().empty());
}

TEST_F(StorePeers, RemovalTakesMessagesAndHistoryAlong) {
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(add_peer(2));
  ASSERT_TRUE(append(1, outbox_row(1)));
  ASSERT_TRUE(append(2, outbox_row(2)));
  ASSERT_TRUE(commit(1, 7, {inbound(1)}));
  ASSERT_TRUE(commit(2, 7, {inbound(1)}));
  AttemptRow attempt;
  attempt.id = 99;
  attempt.peer = peer_id(1);
  attempt.candidates.push_back({"local", 1, "host", "192.0.2.1:1", "gathered", "", at(1)});
  store_->begin_attempt(attempt);
  ASSERT_EQ(history(1).size(), 1U);

  ASSERT_TRUE(remove(1));
  EXPECT_EQ(peers().size(), 1U);
  EXPECT_EQ(listed().size(), 1U);
  EXPECT_EQ(inbox().size(), 1U);
  EXPECT_TRUE(history(1).empty());
  ASSERT_EQ(counts().size(), 1U);
  EXPECT_EQ(counts()[0].peer, peer_id(2));
}

// The receiver keeps our numbers' mark: a number used twice under one epoch would be dropped as a repeat
// there.
TEST_F(StorePeers, NumberingAndMarksSurviveRemovalAndAdding) {
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(append(1, outbox_row(1)));
  ASSERT_TRUE(commit(1, 7, {inbound(1), inbound(2)}));
  ASSERT_TRUE(remove(1));
  ASSERT_TRUE(add_peer(1));
  EXPECT_EQ(append(1, outbox_row(2))->sequence, 2U);
  EXPECT_EQ(commit(1, 7, {inbound(2), inbound(3)})->stored, 1U);
}

}  // namespace
}  // namespace p2pd::store
