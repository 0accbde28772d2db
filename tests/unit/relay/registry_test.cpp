#include "relay/registry.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pd::relay {
namespace {

using base::PeerId;
using proto::RelayInterestOp;
using proto::RelayPresenceState;
using testing::ElementsAre;
using testing::IsEmpty;

PeerId id_of(std::uint8_t number) {
  std::array<std::uint8_t, PeerId::kSize> key{};
  key[31] = number;
  return PeerId(key);
}

struct FakeClient final : RegisteredClient {
  std::vector<std::pair<PeerId, RelayPresenceState>> told;
  int superseded = 0;

  void deliver(base::Bytes) override {}
  void on_presence(const PeerId& peer, RelayPresenceState state) override { told.emplace_back(peer, state); }
  void on_superseded() override { ++superseded; }
};

const PeerId kAlice = id_of(1);
const PeerId kBob = id_of(2);
const PeerId kCarol = id_of(3);
constexpr auto kHere = RelayPresenceState::here;
constexpr auto kGone = RelayPresenceState::gone;

class RegistryTest : public testing::Test {
 protected:
  bool interest(const PeerId& id, FakeClient& client, RelayInterestOp op, std::vector<PeerId> peers) {
    return registry_.set_interest(id, client, op, peers);
  }
  Registry registry_{3};
  FakeClient alice_;
  FakeClient bob_;
};

TEST_F(RegistryTest, FindsWhoIsThereAndForgetsWhoLeft) {
  EXPECT_EQ(registry_.find(kAlice), nullptr);
  registry_.add(kAlice, alice_);
  EXPECT_EQ(registry_.find(kAlice), &alice_);
  registry_.remove(kAlice, alice_);
  EXPECT_EQ(registry_.find(kAlice), nullptr);
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(RegistryTest, IsSilentToOneSidedInterest) {
  registry_.add(kAlice, alice_);
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob, kCarol, kAlice}));
  registry_.remove(kBob, bob_);
  EXPECT_THAT(alice_.told, IsEmpty());
  EXPECT_THAT(bob_.told, IsEmpty());
}

TEST_F(RegistryTest, TellsBothOnceInterestIsMutual) {
  registry_.add(kAlice, alice_);
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob}));
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::replace, {kAlice}));
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::replace, {kAlice}));
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob}));
  EXPECT_THAT(alice_.told, ElementsAre(std::pair(kBob, kHere)));
  EXPECT_THAT(bob_.told, ElementsAre(std::pair(kAlice, kHere)));
}

TEST_F(RegistryTest, TellsGoneToTheOtherWhenOneTakesItsInterestBack) {
  registry_.add(kAlice, alice_);
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob}));
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::add, {kAlice}));
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::remove, {kBob}));
  EXPECT_THAT(bob_.told, ElementsAre(std::pair(kAlice, kHere), std::pair(kAlice, kGone)));
  EXPECT_THAT(alice_.told, ElementsAre(std::pair(kBob, kHere)));
  registry_.remove(kBob, bob_);
  EXPECT_EQ(alice_.told.size(), 1u);
}

TEST_F(RegistryTest, ANewerSessionReplacesTheOlderAndStartsWithoutInterest) {
  FakeClient newer;
  registry_.add(kAlice, alice_);
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob}));
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::add, {kAlice}));
  registry_.add(kAlice, newer);
  EXPECT_EQ(alice_.superseded, 1);
  EXPECT_EQ(registry_.find(kAlice), &newer);
  EXPECT_THAT(bob_.told, ElementsAre(std::pair(kAlice, kHere), std::pair(kAlice, kGone)));
  EXPECT_TRUE(interest(kAlice, newer, RelayInterestOp::add, {kBob}));
  EXPECT_EQ(bob_.told.back(), std::pair(kAlice, kHere));
  EXPECT_THAT(newer.told, ElementsAre(std::pair(kBob, kHere)));
}

TEST_F(RegistryTest, AReplacedSessionChangesNothingAnyMore) {
  FakeClient newer;
  registry_.add(kAlice, alice_);
  registry_.add(kAlice, newer);
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {kBob}));
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::add, {kAlice}));
  EXPECT_THAT(bob_.told, IsEmpty());
  registry_.remove(kAlice, alice_);
  EXPECT_EQ(registry_.find(kAlice), &newer);
}

TEST_F(RegistryTest, RefusesMoreInterestThanTheLimitAndChangesNothing) {
  registry_.add(kAlice, alice_);
  registry_.add(kBob, bob_);
  EXPECT_TRUE(interest(kBob, bob_, RelayInterestOp::add, {kAlice}));
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::add, {id_of(10), id_of(11), id_of(11)}));
  EXPECT_FALSE(interest(kAlice, alice_, RelayInterestOp::add, {kBob, id_of(12)}));
  EXPECT_THAT(alice_.told, IsEmpty());
  EXPECT_TRUE(interest(kAlice, alice_, RelayInterestOp::replace, {kBob, id_of(12), id_of(13)}));
  EXPECT_EQ(alice_.told.size(), 1u);
}

// Against a model that states the rule: x hears "here" of y last exactly when both are there and ask for each
// other.
TEST_F(RegistryTest, KeepsEverybodysViewRightUnderRandomChanges) {
  constexpr std::uint8_t kPeers = 5;
  Registry registry(kPeers);
  std::mt19937 random(4711);
  std::vector<FakeClient> clients(kPeers);
  std::vector<bool> there(kPeers, false);
  std::vector<std::set<std::uint8_t>> asks(kPeers);
  const auto last_heard = [&](std::uint8_t who, std::uint8_t of) {
    const auto& told = clients[who].told;
    const auto found =
        std::find_if(told.rbegin(), told.rend(), [&](const auto& entry) { return entry.first == id_of(of); });
    return found == told.rend() ? kGone : found->second;
  };
  for (int step = 0; step < 5'000; ++step) {
    const auto who = static_cast<std::uint8_t>(random() % kPeers);
    const auto other = static_cast<std::uint8_t>(random() % kPeers);
    const std::vector<PeerId> named{id_of(other)};
    switch (random() % 4) {
      case 0:
        registry.add(id_of(who), clients[who]);
        there[who] = true;
        asks[who].clear();
        clients[who].told.clear();
        break;
      case 1:
        registry.remove(id_of(who), clients[who]);
        there[who] = false;
        asks[who].clear();
        clients[who].told.clear();
        break;
      case 2:
        EXPECT_TRUE(registry.set_interest(id_of(who), clients[who], RelayInterestOp::add, named));
        if (there[who]) asks[who].insert(other);
        break;
      default:
        EXPECT_TRUE(registry.set_interest(id_of(who), clients[who], RelayInterestOp::remove, named));
        asks[who].erase(other);
        std::erase_if(clients[who].told, [&](const auto& entry) { return entry.first == id_of(other); });
        break;
    }
    for (std::uint8_t x = 0; x < kPeers; ++x) {
      for (std::uint8_t y = 0; y < kPeers; ++y) {
        if (x == y) continue;
        const bool mutual = there[x] && there[y] && asks[x].contains(y) && asks[y].contains(x);
        ASSERT_EQ(last_heard(x, y), mutual ? kHere : kGone) << "step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace p2pd::relay
