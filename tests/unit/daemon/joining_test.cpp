#include "daemon/joining.hpp"

#include "tests/unit/daemon/pairing_fixture.hpp"

namespace p2pd::daemon::test {
namespace {

class JoiningTest : public PairingDesk {
 protected:
  // Accepts and moves frames; the answer, if there is one by then.
  Machine::Answer accept(Machine& joiner, const std::string& ticket, const std::string& name = "") {
    const Machine::Answer& answer = joiner.accept(ticket, 30s, name);
    run();
    return answer;
  }
};

TEST_F(JoiningTest, BothListEachOther) {
  bob_.own_relays = {kOtherRelay};
  const auto answer = accept(bob_, alice_.invite(10min, "laptop"), "desktop");
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->id, alice_.id());
  EXPECT_EQ((*answer)->name, "desktop");
  EXPECT_EQ((*answer)->relays, std::vector<std::string>{kRelay});
  EXPECT_EQ(bob_.book.find(alice_.id())->name, "desktop");
  ASSERT_NE(alice_.book.find(bob_.id()), nullptr);
  EXPECT_EQ(alice_.book.find(bob_.id())->name, "laptop");
  EXPECT_EQ(alice_.book.find(bob_.id())->relays, std::vector<std::string>{kOtherRelay});
  EXPECT_EQ(alice_.paired, 1);
  // Nothing is left of it on either side.
  EXPECT_FALSE(alice_.pairings->pairing());
  EXPECT_FALSE(bob_.pairings->pairing());
  EXPECT_TRUE(bob_.visits.empty());
}

TEST_F(JoiningTest, WithoutNamesTheyAreMadeFromTheIds) {
  ASSERT_TRUE(accept(bob_, alice_.invite()).value());
  EXPECT_EQ(bob_.book.find(alice_.id())->name, "peer-" + alice_.id().text().substr(0, 8));
  EXPECT_EQ(alice_.book.find(bob_.id())->name, "peer-" + bob_.id().text().substr(0, 8));
}

TEST_F(JoiningTest, TheSameKeyMayRepeatWhatAnotherMayNot) {
  const std::string ticket = alice_.invite();
  ASSERT_TRUE(accept(bob_, ticket).value());
  EXPECT_TRUE(accept(bob_, ticket).value());
  EXPECT_EQ(alice_.paired, 1);
  EXPECT_EQ(code(accept(carol_, ticket)), ErrorCode::ticket_used);
  EXPECT_EQ(alice_.book.all().size(), 1U);
}

TEST_F(JoiningTest, OfTwoAtTheSameTimeOneIsPaired) {
  const std::string ticket = alice_.invite();
  const Machine::Answer& bob = bob_.accept(ticket);
  const Machine::Answer& carol = carol_.accept(ticket);
  run();
  ASSERT_TRUE(bob && carol);
  EXPECT_NE(bob->has_value(), carol->has_value());
  EXPECT_EQ(code(bob->has_value() ? carol : bob), ErrorCode::ticket_used);
  EXPECT_EQ(alice_.book.all().size(), 1U);
}

TEST_F(JoiningTest, RevokedAndExpiredAreTold) {
  const std::string revoked = alice_.invite();
  alice_.pairings->inviting().revoke(revoked,
                                     [](const base::Result<store::InvitationRow>& row) { EXPECT_TRUE(row); });
  alice_.settle();
  EXPECT_EQ(code(accept(bob_, revoked)), ErrorCode::ticket_revoked);
  const std::string expired = alice_.invite(1min);
  proto::Ticket forged = proto::parse_ticket(expired).value();
  forged.expires += 24h;
  time_.pass(1min);
  EXPECT_EQ(code(accept(bob_, expired)), ErrorCode::ticket_expired);
  EXPECT_TRUE(relays_.frames.empty());
  EXPECT_EQ(code(accept(bob_, proto::encode(forged))), ErrorCode::ticket_expired);
  EXPECT_TRUE(alice_.book.all().empty());
}

TEST_F(JoiningTest, WhatCanBeToldHereIsToldWithoutAKnock) {
  const std::string ticket = alice_.invite();
  EXPECT_EQ(code(accept(bob_, "hello")), ErrorCode::ticket_altered);
  EXPECT_EQ(code(accept(bob_, ticket.substr(1))), ErrorCode::ticket_altered);
  EXPECT_EQ(code(accept(alice_, ticket)), ErrorCode::own_ticket);
  EXPECT_EQ(code(accept(bob_, ticket, "a b")), ErrorCode::invalid_name);
  bob_.book.put({carol_.id(), "carol", {}});
  EXPECT_EQ(code(accept(bob_, ticket, "carol")), ErrorCode::name_taken);
  EXPECT_TRUE(relays_.frames.empty());
  EXPECT_EQ(alice_.pairings->inviting().state_of(alice_.pairings->inviting().list().at(0)), "open");
}

TEST_F(JoiningTest, ATicketWithoutAUsableRelayIsAltered) {
  proto::Ticket ticket = proto::parse_ticket(alice_.invite()).value();
  ticket.relays = {"http://not.a.relay"};
  EXPECT_EQ(code(accept(bob_, proto::encode(ticket))), ErrorCode::ticket_altered);
}

TEST_F(JoiningTest, AFullAddressBookIsToldBeforeTheTicketIsSpent) {
  for (std::size_t number = 0; number < kMaxPeers; ++number) {
    const base::PeerId id = store::peer_id(static_cast<int>(number));
    bob_.book.put({id, id.text().substr(0, 20), {}});
  }
  EXPECT_EQ(code(accept(bob_, alice_.invite())), ErrorCode::quota);
  EXPECT_TRUE(relays_.frames.empty());
}

TEST_F(JoiningTest, TriesAgainUntilTheTimeIsOver) {
  const std::string ticket = alice_.invite();
  int knocks = 0;
  drop_ = [&](const Frame& frame) {
    knocks += frame.knock ? 1 : 0;
    return true;
  };
  const Machine::Answer& answer = bob_.accept(ticket, 10s);
  run();
  pass(9900ms);
  EXPECT_FALSE(answer);
  EXPECT_GE(knocks, 3);
  EXPECT_LE(knocks, 5);
  pass(100ms);
  EXPECT_EQ(code(answer), ErrorCode::timeout);
  EXPECT_FALSE(bob_.pairings->pairing());
  EXPECT_TRUE(bob_.visits.empty());
}

TEST_F(JoiningTest, SurvivesTheLossOfAnyOneFrame) {
  bool lost = true;
  for (int number = 0; lost; ++number) {
    const std::string ticket = alice_.invite();
    int seen = 0;
    lost = false;
    drop_ = [&](const Frame&) {
      const bool drop = seen++ == number;
      lost = lost || drop;
      return drop;
    };
    const Machine::Answer& answer = bob_.accept(ticket, 30s);
    run();
    pass(20s);
    ASSERT_TRUE(answer && *answer) << "frame " << number;
    EXPECT_FALSE(alice_.pairings->pairing());
  }
}

TEST_F(JoiningTest, WaitsForTheRelayToComeUp) {
  const std::string ticket = alice_.invite();
  relays_.down = {kRelay};
  const Machine::Answer& answer = bob_.accept(ticket);
  EXPECT_TRUE(relays_.frames.empty());
  relays_.down.clear();
  bob_.pairings->on_relay_up();
  run();
  EXPECT_TRUE(answer && *answer);
}

TEST_F(JoiningTest, ARelayThatIsDownIsToldFromAnInviterThatIsAway) {
  const std::string ticket = alice_.invite();
  relays_.down = {kRelay};
  const Machine::Answer& answer = bob_.accept(ticket, 1s);
  pass(1s);
  EXPECT_EQ(code(answer), ErrorCode::relay_unreachable);
}

TEST_F(JoiningTest, AnyOfTheTicketsRelaysWillDo) {
  alice_.own_relays = {kRelay, kOtherRelay};
  const std::string ticket = alice_.invite();
  drop_ = [](const Frame& frame) { return frame.url == kRelay; };
  EXPECT_TRUE(accept(bob_, ticket).value());
  drop_ = [](const Frame&) { return false; };
  EXPECT_TRUE(accept(carol_, alice_.invite()).value());
  EXPECT_EQ(alice_.paired, 2);
}

TEST_F(JoiningTest, AnInviterThatRestartsInBetweenIsAskedAgain) {
  const std::string ticket = alice_.invite();
  const Machine::Answer& answer = bob_.accept(ticket);
  // The knock and the first packet are there, then it dies.
  deliver(relays_.frames.at(0));
  deliver(relays_.frames.at(1));
  relays_.frames.clear();
  alice_.stop();
  relays_.frames.clear();
  pass(5s);
  EXPECT_FALSE(answer);
  alice_.start();
  pass(5s);
  EXPECT_TRUE(answer && *answer);
}

TEST_F(JoiningTest, AnswersAllWhenItStops) {
  const std::string ticket = alice_.invite();
  const Machine::Answer& answer = bob_.accept(ticket);
  bob_.pairings->stop();
  EXPECT_EQ(code(answer), ErrorCode::shutting_down);
}

TEST_F(JoiningTest, AcceptsEightTicketsAtATime) {
  drop_ = [](const Frame&) { return true; };
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(bob_.accept(alice_.invite()));
  EXPECT_EQ(code(bob_.accept(alice_.invite())), ErrorCode::busy);
}

}  // namespace
}  // namespace p2pd::daemon::test
