#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

using std::chrono::milliseconds;

AttemptRow attempt_row(std::uint64_t id, int peer, std::int64_t started) {
  AttemptRow row;
  row.id = id;
  row.peer = peer_id(peer);
  row.started = at(started);
  return row;
}

CandidateRow candidate(const std::string& address, const std::string& state) {
  return {"local", 1, "host", address, state, "", at(10)};
}

class StoreHistory : public StoreTest {
 protected:
  void SetUp() override {
    Options options;
    options.attempts = 5;
    options.attempt_candidates = 4;
    options.attempt_paths = 3;
    open(options);
    ASSERT_TRUE(add_peer(1));
    ASSERT_TRUE(add_peer(2));
  }
};

TEST_F(StoreHistory, AnAttemptKeepsTheQualityThatWasToldLast) {
  store_->begin_attempt(attempt_row(7, 1, 1000));
  QualityRow quality;
  quality.rtt_us = 1'500;
  store_->set_quality(7, quality);
  quality.jitter_us = 80;
  quality.delivery_rate = 1'000'000;
  quality.packets_sent = 100;
  quality.packets_lost = 3;
  quality.switches = 2;
  quality.bytes_tx = {1, 2, 3};
  quality.bytes_rx = {4, 5, 6};
  quality.time_ms = {7, 8, 9};
  store_->set_quality(7, quality);
  store_->begin_attempt(attempt_row(8, 1, 2000));
  const auto attempts = history(1);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].quality, std::nullopt);
  EXPECT_EQ(attempts[1].quality, quality);
}

TEST_F(StoreHistory, KeepsTheLatestDirectPathOfEachPeer) {
  const auto worked = [this] {
    return wait<std::vector<WorkedRow>>([this](auto done) { store_->load_worked({}, done); }).value();
  };
  EXPECT_TRUE(worked().empty());
  store_->set_worked({peer_id(1), "192.0.2.1", "host 192.0.2.1:4000", "host 192.0.2.9:4000", at(10)});
  store_->set_worked({peer_id(2), "2001:db8::1", "srflx [2001:db8::1]:5", "host [2001:db8::9]:6", at(11)});
  store_->set_worked({peer_id(1), "192.0.2.7", "host 192.0.2.7:4001", "host 192.0.2.9:4001", at(12)});
  const auto kept = worked();
  ASSERT_EQ(kept.size(), 2U);
  const WorkedRow& one = kept[kept[0].peer == peer_id(1) ? 0 : 1];
  EXPECT_EQ(one.base, "192.0.2.7");
  EXPECT_EQ(one.local_candidate, "host 192.0.2.7:4001");
  EXPECT_EQ(one.remote_candidate, "host 192.0.2.9:4001");
  EXPECT_EQ(one.at, at(12));
  ASSERT_TRUE(remove(1));
  EXPECT_EQ(worked().size(), 1U);
}

TEST_F(StoreHistory, AnAttemptIsToldFromBeginToEnd) {
  constexpr std::uint64_t kId = 0xf000000000000001;
  store_->begin_attempt(attempt_row(kId, 1, 1000));
  store_->add_candidate(kId, candidate("192.0.2.1:4000", "gathered"));
  store_->add_candidate(kId, {"remote", 2, "srflx", "[2001:db8::1]:5", "refused", "loopback", at(12)});
  store_->add_path(kId, {at(13), "", "relay", "in_progress", "handshake confirmed", "", ""});
  store_->add_path(kId,
                   {at(14), "relay", "direct", "none", "probes answered", "192.0.2.1:4000", "192.0.2.2:1"});
  AttemptChange change;
  change.to_relay = milliseconds(42);
  store_->update_attempt(kId, change);
  change = {};
  change.to_direct = milliseconds(180);
  store_->update_attempt(kId, change);
  store_->finish_attempt(kId, "closed", "disconnected by the user", at(9000));

  const auto attempts = history(1);
  ASSERT_EQ(attempts.size(), 1U);
  const AttemptRow& row = attempts[0];
  EXPECT_EQ(row.id, kId);
  EXPECT_EQ(row.peer, peer_id(1));
  EXPECT_EQ(row.started, at(1000));
  EXPECT_EQ(row.ended, at(9000));
  EXPECT_EQ(row.outcome, "closed");
  EXPECT_EQ(row.reason, "disconnected by the user");
  EXPECT_EQ(row.to_relay, milliseconds(42));
  EXPECT_EQ(row.to_direct, milliseconds(180));
  ASSERT_EQ(row.candidates.size(), 2U);
  EXPECT_EQ(row.candidates[0].address, "192.0.2.1:4000");
  EXPECT_EQ(row.candidates[1].side, "remote");
  EXPECT_EQ(row.candidates[1].generation, 2U);
  EXPECT_EQ(row.candidates[1].type, "srflx");
  EXPECT_EQ(row.candidates[1].state, "refused");
  EXPECT_EQ(row.candidates[1].reason, "loopback");
  EXPECT_EQ(row.candidates[1].at, at(12));
  ASSERT_EQ(row.paths.size(), 2U);
  EXPECT_EQ(row.paths[1].at, at(14));
  EXPECT_EQ(row.paths[1].from, "relay");
  EXPECT_EQ(row.paths[1].to, "direct");
  EXPECT_EQ(row.paths[1].why_not_direct, "none");
  EXPECT_EQ(row.paths[1].reason, "probes answered");
  EXPECT_EQ(row.paths[1].local_candidate, "192.0.2.1:4000");
  EXPECT_EQ(row.paths[1].remote_candidate, "192.0.2.2:1");
}

TEST_F(StoreHistory, WhatIsNotKnownStaysOpen) {
  store_->begin_attempt(attempt_row(1, 1, 1000));
  const auto attempts = history(1);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_FALSE(attempts[0].ended);
  EXPECT_FALSE(attempts[0].to_relay);
  EXPECT_FALSE(attempts[0].to_direct);
  EXPECT_EQ(attempts[0].outcome, "");
}

TEST_F(StoreHistory, AnAttemptThatNobodyEndedIsInterruptedAtTheNextStart) {
  store_->begin_attempt(attempt_row(1, 1, 1000));
  store_->begin_attempt(attempt_row(2, 1, 2000));
  store_->finish_attempt(2, "failed", "timeout", at(3000));
  reopen();
  EXPECT_EQ(history(1)[0].outcome, "failed");
  EXPECT_EQ(history(1)[1].outcome, "interrupted");
}

TEST_F(StoreHistory, ACandidateIsOneRowWhoseStateChanges) {
  store_->begin_attempt(attempt_row(1, 1, 1000));
  store_->add_candidate(1, candidate("192.0.2.1:1", "gathered"));
  store_->add_candidate(1, candidate("192.0.2.1:2", "gathered"));
  store_->add_candidate(1, candidate("192.0.2.1:1", "selected"));
  const auto candidates = history(1)[0].candidates;
  ASSERT_EQ(candidates.size(), 2U);
  EXPECT_EQ(candidates[0].state, "selected");
}

TEST_F(StoreHistory, ALongConnectionKeepsItsLatestCandidatesAndPaths) {
  store_->begin_attempt(attempt_row(1, 1, 1000));
  for (int i = 0; i < 10; ++i) {
    store_->add_candidate(1, candidate(std::to_string(i), "gathered"));
    store_->add_path(1, {at(i), "relay", "direct", "none", "", "", ""});
  }
  const AttemptRow row = history(1)[0];
  ASSERT_EQ(row.candidates.size(), 4U);
  EXPECT_EQ(row.candidates.front().address, "6");
  ASSERT_EQ(row.paths.size(), 3U);
  EXPECT_EQ(row.paths.front().at, at(7));
}

TEST_F(StoreHistory, TheLatestAttemptsOfAPeerAreKeptAndComeFirst) {
  for (int i = 1; i <= 8; ++i) store_->begin_attempt(attempt_row(static_cast<std::uint64_t>(i), 1, i * 1000));
  store_->begin_attempt(attempt_row(100, 2, 500));
  const auto attempts = history(1);
  ASSERT_EQ(attempts.size(), 5U);
  EXPECT_EQ(attempts.front().id, 8U);
  EXPECT_EQ(attempts.back().id, 4U);
  EXPECT_EQ(history(2).size(), 1U);
  EXPECT_EQ(history(1, 2).size(), 2U);
}

TEST_F(StoreHistory, OldAttemptsGoWithTheNextOneWhoeverMakesIt) {
  constexpr std::int64_t kDay = 24 * 3600 * 1000;
  store_->begin_attempt(attempt_row(1, 1, 0));
  store_->begin_attempt(attempt_row(2, 1, 1 * kDay));
  store_->begin_attempt(attempt_row(3, 2, 30 * kDay));
  EXPECT_EQ(history(1).size(), 2U);
  store_->begin_attempt(attempt_row(4, 2, 30 * kDay + 1));
  ASSERT_EQ(history(1).size(), 1U);
  EXPECT_EQ(history(1)[0].id, 2U);
}

TEST_F(StoreHistory, RecordsOfUnknownAttemptsAndPeersAreLostAndCounted) {
  store_->begin_attempt(attempt_row(1, 3, 1000));
  store_->add_candidate(1, candidate("192.0.2.1:1", "gathered"));
  store_->finish_attempt(1, "failed", "", at(1));
  store_->begin_attempt(attempt_row(2, 1, 1000));
  EXPECT_EQ(history(1).size(), 1U);
  EXPECT_TRUE(history(3).empty());
  EXPECT_EQ(store_->statistics().lost_records, 3U);
}

}  // namespace
}  // namespace p2pd::store
