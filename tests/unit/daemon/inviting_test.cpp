#include "daemon/inviting.hpp"

#include "daemon/invitation_names.hpp"
#include "peer/knock.hpp"
#include "tests/unit/daemon/pairing_fixture.hpp"

namespace p2pd::daemon::test {
namespace {

class InvitingTest : public PairingDesk {
 protected:
  Inviting& inviting() { return alice_.pairings->inviting(); }
  // A knock of bob's as the joiner makes it, and what a test may change about it.
  proto::Knock knock(const std::string& ticket, const std::string& url = kRelay,
                     std::uint8_t connection = 1) {
    const proto::Ticket read = proto::parse_ticket(ticket).value();
    return peer::make_knock(read.id, read.secret, {connection}, {alice_.id(), bob_.id(), Relays::key(url)});
  }
  bool admits(const proto::Knock& knock, const std::string& url = kRelay,
              const base::PeerId* sender = nullptr) {
    alice_.pairings->on_knock(url, Relays::key(url), sender == nullptr ? bob_.id() : *sender,
                              proto::encode(knock));
    return inviting().active();
  }
  std::string_view state() { return inviting().state_of(inviting().list().at(0)); }
};

TEST_F(InvitingTest, AGoodKnockIsAdmittedFor30Seconds) {
  const std::string ticket = alice_.invite();
  EXPECT_FALSE(inviting().active());
  EXPECT_TRUE(admits(knock(ticket)));
  time_.pass(30s - 1ms);
  inviting().on_time();
  EXPECT_TRUE(inviting().active());
  time_.pass(1ms);
  inviting().on_time();
  EXPECT_FALSE(inviting().active());
}

TEST_F(InvitingTest, AKnockThatDoesNotHoldChangesNothing) {
  const std::string ticket = alice_.invite();
  const proto::Knock good = knock(ticket);
  proto::Knock forged = good;
  forged.mac[0] ^= 1;
  EXPECT_FALSE(admits(forged));
  proto::Knock unknown = good;
  unknown.invitation[0] ^= 1;
  EXPECT_FALSE(admits(unknown));
  EXPECT_FALSE(admits(good, kOtherRelay));           // made for another relay
  EXPECT_FALSE(admits(good, kRelay, &carol_.id()));  // repeated by another key
  inviting().on_knock(kRelay, Relays::key(kRelay), bob_.id(), base::Bytes{1, 2, 3});
  EXPECT_FALSE(inviting().active());
  EXPECT_TRUE(relays_.frames.empty());
  EXPECT_TRUE(admits(good));
}

TEST_F(InvitingTest, KnocksAreLimitedInTheirRate) {
  const std::string ticket = alice_.invite();
  proto::Knock forged = knock(ticket);
  forged.mac[0] ^= 1;
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(admits(forged));
  EXPECT_FALSE(admits(knock(ticket)));
  time_.pass(50ms);
  EXPECT_TRUE(admits(knock(ticket)));
}

TEST_F(InvitingTest, OnlyTheConnectionThatTheKnockNamedIsLetIn) {
  const std::string ticket = alice_.invite();
  (void)bob_.accept(ticket);
  const Frame knocked = relays_.frames.at(0);
  const Frame initial = relays_.frames.at(1);
  ASSERT_TRUE(knocked.knock && !initial.knock);
  relays_.frames.clear();
  EXPECT_FALSE(deliver(initial));  // not yet admitted
  EXPECT_TRUE(admits(knock(ticket)));
  EXPECT_FALSE(deliver(initial));  // another connection is
  deliver(knocked);
  Frame stranger = initial;
  stranger.from = carol_.id();
  EXPECT_FALSE(deliver(stranger));
  Frame detour = initial;
  detour.url = kOtherRelay;
  EXPECT_FALSE(deliver(detour));
  EXPECT_TRUE(relays_.frames.empty());
  EXPECT_TRUE(deliver(initial));
  EXPECT_FALSE(relays_.frames.empty());
}

TEST_F(InvitingTest, OneInvitationHoldsFourHandshakesAtATime) {
  const std::string ticket = alice_.invite();
  (void)bob_.accept(ticket);
  const Frame knocked = relays_.frames.at(0);
  const Frame initial = relays_.frames.at(1);
  relays_.frames.clear();
  deliver(knocked);
  for (std::uint8_t i = 1; i <= 4; ++i) EXPECT_TRUE(admits(knock(ticket, kRelay, i)));
  EXPECT_FALSE(deliver(initial));  // the oldest had to go
}

TEST_F(InvitingTest, ListsAndNamesTheStates) {
  const std::string ticket = alice_.invite(1min, "laptop");
  EXPECT_EQ(state(), "open");
  EXPECT_TRUE(inviting().promised("laptop"));
  EXPECT_FALSE(inviting().promised("desktop"));
  time_.pass(1min);
  EXPECT_EQ(state(), "expired");
  EXPECT_FALSE(inviting().promised("laptop"));
  alice_.stop();
  alice_.start();
  EXPECT_EQ(state(), "expired");
}

TEST_F(InvitingTest, RevokesByIdByItsBeginningAndByTheTicket) {
  for (const int way : {0, 1, 2}) {
    const std::string ticket = alice_.invite();
    const std::string id = invitation_name(proto::parse_ticket(ticket)->id);
    std::optional<base::Result<store::InvitationRow>> row;
    inviting().revoke(way == 0   ? id
                      : way == 1 ? id.substr(0, 8)
                                 : ticket,
                      [&](base::Result<store::InvitationRow> result) { row.emplace(std::move(result)); });
    alice_.settle();
    ASSERT_TRUE(row && *row);
    EXPECT_EQ(invitation_name((*row)->id), id);
    EXPECT_EQ(inviting().state_of(**row), "revoked");
  }
}

TEST_F(InvitingTest, RevokesNothingThatIsNotMeant) {
  for (int i = 0; i < 17; ++i) (void)alice_.invite();
  const std::string of_another = bob_.invite();
  const auto refused = [&](std::string_view text) {
    // A digit that only one ID begins with revokes it, which is answered later.
    const auto code = std::make_shared<std::optional<ErrorCode>>();
    inviting().revoke(text, [code](const base::Result<store::InvitationRow>& row) {
      if (!row) *code = to_api_error(row.error()).code;
    });
    return *code;
  };
  EXPECT_EQ(refused(""), ErrorCode::not_found);
  EXPECT_EQ(refused("xyz"), ErrorCode::not_found);
  EXPECT_EQ(refused(of_another), ErrorCode::not_found);
  // 17 IDs of hexadecimal digits: two of them begin alike.
  int ambiguous = 0;
  for (const char digit : std::string("0123456789abcdef")) {
    ambiguous += refused(std::string(1, digit)) == ErrorCode::ambiguous_peer ? 1 : 0;
    alice_.settle();
  }
  EXPECT_GT(ambiguous, 0);
}

TEST_F(InvitingTest, WithoutARelayThereIsNoTicket) {
  alice_.own_relays.clear();
  std::optional<ErrorCode> code;
  inviting().create("", 10min, [&](const base::Result<Inviting::Created>& created) {
    code = to_api_error(created.error()).code;
  });
  EXPECT_EQ(code, ErrorCode::relay_unreachable);
}

TEST_F(InvitingTest, ATicketHoldsWhatItsMakerIs) {
  alice_.own_relays = {kRelay, kOtherRelay};
  const proto::Ticket ticket = proto::parse_ticket(alice_.invite(90s)).value();
  EXPECT_EQ(ticket.inviter, alice_.id());
  EXPECT_EQ(ticket.relays, alice_.own_relays);
  EXPECT_EQ(ticket.expires, time_.wall + 90s);
}

}  // namespace
}  // namespace p2pd::daemon::test
