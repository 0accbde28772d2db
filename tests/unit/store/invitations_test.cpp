#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/faulty_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

using namespace std::chrono_literals;
using Outcome = InvitationOutcome;

// Under a clock of its own that starts at 1,000,000 ms.
class StoreInvitations : public StoreTest {
 protected:
  void SetUp() override { open(options()); }

  Options options() {
    Options out;
    out.wall_clock = [this] { return now_; };
    out.peers = 3;
    out.invitations = 4;
    return out;
  }
  void again() { reopen(options()); }

  InvitationRow row(std::uint8_t number, const std::string& name = "") {
    InvitationRow out;
    out.id.fill(number);
    out.secret.fill(static_cast<std::uint8_t>(number + 100));
    out.name = name;
    out.created = now_;
    out.expires = now_ + 10min;
    return out;
  }
  base::Result<void> add(const InvitationRow& row) {
    return wait<void>([&](auto done) { store_->add_invitation(row, {}, done); });
  }
  std::vector<InvitationRow> all() {
    return wait<std::vector<InvitationRow>>([&](auto done) { store_->load_invitations({}, done); }).value();
  }
  base::Result<InvitationRow> revoke(std::uint8_t number) {
    return wait<InvitationRow>([&](auto done) { store_->revoke_invitation(row(number).id, {}, done); });
  }
  base::Result<InvitationUse> try_use(std::uint8_t number, int joiner) {
    PeerRow peer = peer_row(joiner);
    peer.relays = {"wss://joiner.example/"};
    return wait<InvitationUse>([&](auto done) { store_->use_invitation(row(number).id, peer, {}, done); });
  }
  InvitationUse use(std::uint8_t number, int joiner) { return try_use(number, joiner).value(); }

  base::WallTime now_ = at(1'000'000);
};

TEST_F(StoreInvitations, ComeBackAsTheyWereStored) {
  ASSERT_TRUE(add(row(1, "laptop")));
  ASSERT_TRUE(add(row(2)));
  again();
  const auto rows = all();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].id, row(1).id);
  EXPECT_EQ(rows[0].secret, row(1).secret);
  EXPECT_EQ(rows[0].name, "laptop");
  EXPECT_EQ(rows[0].created, now_);
  EXPECT_EQ(rows[0].expires, now_ + 10min);
  EXPECT_FALSE(rows[0].revoked || rows[0].used || rows[0].peer);
}

TEST_F(StoreInvitations, AreUsedOnceAndStoreThePeerWithIt) {
  ASSERT_TRUE(add(row(1, "laptop")));
  const InvitationUse first = use(1, 7);
  EXPECT_EQ(first.outcome, Outcome::paired);
  ASSERT_TRUE(first.peer);
  EXPECT_EQ(first.peer->name, "laptop");
  EXPECT_EQ(use(1, 8).outcome, Outcome::used);
  again();
  ASSERT_EQ(peers().size(), 1U);
  EXPECT_EQ(peers()[0].id, peer_id(7));
  EXPECT_EQ(peers()[0].name, "laptop");
  EXPECT_EQ(peers()[0].relays, std::vector<std::string>{"wss://joiner.example/"});
  EXPECT_EQ(all()[0].peer, peer_id(7));
  EXPECT_EQ(all()[0].used, now_);
  EXPECT_EQ(use(1, 8).outcome, Outcome::used);
}

TEST_F(StoreInvitations, ARepeatByTheSameKeySucceedsAlsoAfterTheExpiry) {
  ASSERT_TRUE(add(row(1)));
  EXPECT_EQ(use(1, 7).outcome, Outcome::paired);
  now_ += 11min;
  again();
  const InvitationUse repeat = use(1, 7);
  EXPECT_EQ(repeat.outcome, Outcome::repeated);
  EXPECT_EQ(repeat.peer->name, "peer7");
  EXPECT_EQ(peers().size(), 1U);
}

TEST_F(StoreInvitations, ARemovedPeerDoesNotComeBackByItsOldTicket) {
  ASSERT_TRUE(add(row(1)));
  EXPECT_EQ(use(1, 7).outcome, Outcome::paired);
  ASSERT_TRUE(remove(7));
  EXPECT_EQ(use(1, 7).outcome, Outcome::used);
  EXPECT_TRUE(peers().empty());
}

TEST_F(StoreInvitations, ExpireAtTheirVeryMillisecond) {
  ASSERT_TRUE(add(row(1)));
  ASSERT_TRUE(add(row(2)));
  now_ += 10min - 1ms;
  EXPECT_EQ(use(1, 7).outcome, Outcome::paired);
  now_ += 1ms;
  EXPECT_EQ(use(2, 8).outcome, Outcome::expired);
  EXPECT_EQ(peers().size(), 1U);
  EXPECT_FALSE(all()[1].used);
}

TEST_F(StoreInvitations, RevokedOnesAdmitNobodyAndUsedOnesStayUsed) {
  ASSERT_TRUE(add(row(1)));
  ASSERT_TRUE(add(row(2)));
  EXPECT_EQ(revoke(1).value().revoked, now_);
  EXPECT_EQ(use(1, 7).outcome, Outcome::revoked);
  EXPECT_EQ(use(2, 7).outcome, Outcome::paired);
  EXPECT_FALSE(revoke(2).value().revoked);
  EXPECT_TRUE(revoke(2).value().used);
  EXPECT_EQ(use(2, 7).outcome, Outcome::repeated);
  EXPECT_TRUE(is(revoke(3).error(), StoreError::not_found));
}

TEST_F(StoreInvitations, UnknownOnesChangeNothing) {
  EXPECT_EQ(use(9, 7).outcome, Outcome::unknown);
  EXPECT_TRUE(peers().empty());
}

TEST_F(StoreInvitations, ANameThatIsTakenGetsANumber) {
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(add(row(1, "peer1")));
  ASSERT_TRUE(add(row(2, "peer1")));
  EXPECT_EQ(use(1, 7).peer->name, "peer1-2");
  EXPECT_EQ(use(2, 8).peer->name, "peer1-3");
}

TEST_F(StoreInvitations, ALongNameThatIsTakenStaysAName) {
  const std::string longest(63, 'n');
  ASSERT_TRUE(add(row(1, longest)));
  ASSERT_TRUE(add(row(2, longest)));
  EXPECT_EQ(use(1, 7).peer->name, longest);
  EXPECT_EQ(use(2, 8).peer->name, std::string(61, 'n') + "-2");
}

TEST_F(StoreInvitations, AKnownPeerKeepsItsSettingsAndTakesTheNewName) {
  PeerRow known = peer_row(7);
  known.wanted = true;
  known.direct = false;
  ASSERT_TRUE(upsert(known));
  ASSERT_TRUE(add_peer(8));
  ASSERT_TRUE(add(row(1, "laptop")));
  ASSERT_TRUE(add(row(2, "peer8")));
  ASSERT_TRUE(add(row(3)));
  const PeerRow renamed = *use(1, 7).peer;
  EXPECT_EQ(renamed.name, "laptop");
  EXPECT_TRUE(renamed.wanted);
  EXPECT_FALSE(renamed.direct);
  EXPECT_EQ(use(2, 7).peer->name, "laptop");
  EXPECT_EQ(use(3, 7).peer->name, "laptop");
}

TEST_F(StoreInvitations, WithAFullAddressBookStayOpen) {
  for (int number = 1; number <= 3; ++number) ASSERT_TRUE(add_peer(number));
  ASSERT_TRUE(add(row(1)));
  EXPECT_EQ(use(1, 7).outcome, Outcome::no_room);
  ASSERT_TRUE(remove(3));
  EXPECT_EQ(use(1, 7).outcome, Outcome::paired);
}

TEST_F(StoreInvitations, AreForgottenAWeekAfterTheyExpire) {
  for (std::uint8_t number = 1; number <= 4; ++number) ASSERT_TRUE(add(row(number)));
  EXPECT_TRUE(is(add(row(5)).error(), StoreError::quota));
  now_ += 10min + 7 * 24h;
  EXPECT_TRUE(is(add(row(5)).error(), StoreError::quota));
  now_ += 1ms;
  EXPECT_TRUE(add(row(5)));
  EXPECT_EQ(all().size(), 1U);
}

TEST_F(StoreInvitations, AnIdIsGivenOnce) {
  ASSERT_TRUE(add(row(1)));
  EXPECT_TRUE(is(add(row(1)).error(), StoreError::already_exists));
}

class StoreInvitationsCrash : public StoreInvitations {
 protected:
  void SetUp() override {}

  // In a process of its own that is killed before so many changes of the disk; false: it came to its end.
  bool use_and_die(int kill_before) {
    const pid_t child = ::fork();
    if (child == 0) {
      Options faulty = options();
      faulty.vfs = faulty_vfs();
      faults().kill_before = kill_before;
      auto opened = Store::open(folder_.file(), faulty);
      if (!opened) ::_exit(1);
      store_ = std::move(*opened);
      const auto used = try_use(1, 7);
      store_.reset();
      ::_exit(used ? 0 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return true;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return false;
  }
};

TEST_F(StoreInvitationsCrash, KilledAtAnyWriteThePeerIsThereIfAndOnlyIfTheInvitationIsUsed) {
  int before = 0;
  int after = 0;
  bool killed = true;
  for (int kill_before = 0; killed; ++kill_before) {
    std::filesystem::remove_all(folder_.path());
    std::filesystem::create_directory(folder_.path());
    open(options());
    ASSERT_TRUE(add(row(1)));
    store_.reset();
    killed = use_and_die(kill_before);
    open(options());
    const bool used = all().at(0).used.has_value();
    ASSERT_EQ(used, peers().size() == 1) << "killed before change " << kill_before;
    ++(used ? after : before);
    // Either way the joiner may try again and is let in.
    EXPECT_EQ(use(1, 7).outcome, used ? Outcome::repeated : Outcome::paired);
    store_.reset();
  }
  EXPECT_GT(before, 0);
  EXPECT_GT(after, 0);
}

}  // namespace
}  // namespace p2pd::store
