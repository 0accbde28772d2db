#include "relay/rate.hpp"

#include <gtest/gtest.h>

#include "relay/admission.hpp"
#include "relay/knock_budgets.hpp"

namespace p2pd::relay {
namespace {

using namespace std::chrono_literals;

const base::TimePoint kStart = base::TimePoint() + 1h;

TEST(TokenBucket, GivesABurstAndThenItsRate) {
  TokenBucket bucket(10, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.take(1, kStart));
  EXPECT_FALSE(bucket.take(1, kStart));
  EXPECT_FALSE(bucket.take(1, kStart + 99ms));
  EXPECT_TRUE(bucket.take(1, kStart + 101ms));
  EXPECT_FALSE(bucket.take(1, kStart + 101ms));
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket(10, 3);
  EXPECT_TRUE(bucket.take(3, kStart));
  EXPECT_FALSE(bucket.full(kStart + 100ms));
  EXPECT_TRUE(bucket.full(kStart + 300ms));
  EXPECT_FALSE(bucket.take(4, kStart + 1h));
  EXPECT_TRUE(bucket.take(3, kStart + 1h));
}

TEST(TokenBucket, TakesNothingForTimeThatRunsBackwards) {
  TokenBucket bucket(10, 1);
  EXPECT_TRUE(bucket.take(1, kStart));
  EXPECT_FALSE(bucket.take(1, kStart - 1h));
  EXPECT_FALSE(bucket.take(1, kStart));
}

TEST(TokenBucket, ARateOfZeroIsNoLimit) {
  TokenBucket bucket(0, 1);
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(bucket.take(100, kStart));
}

TEST(TrafficBudget, NeedsBothPacketsAndBytes) {
  TrafficBudget budget{TokenBucket(10, 10), TokenBucket(100, 100)};
  EXPECT_TRUE(budget.take(100, kStart));
  EXPECT_FALSE(budget.take(1, kStart));
}

TEST(BudgetTable, RemembersABudgetUntilItIsFullAgain) {
  BudgetTable<int, TokenBucket> table(10, [] { return TokenBucket(1, 1); });
  EXPECT_TRUE(table.get(7)->take(1, kStart));
  table.purge(kStart + 500ms);
  EXPECT_FALSE(table.get(7)->take(1, kStart + 500ms)) << "coming back gives no new budget";
  table.purge(kStart + 2s);
  EXPECT_EQ(table.size(), 0u);
}

TEST(BudgetTable, KeepsABudgetThatIsHeld) {
  BudgetTable<int, TokenBucket> table(10, [] { return TokenBucket(1, 1); });
  const auto held = table.get(7);
  table.purge(kStart);
  EXPECT_EQ(table.get(7), held);
}

TEST(BudgetTable, RemembersNoMoreThanItMay) {
  BudgetTable<int, TokenBucket> table(2, [] { return TokenBucket(1, 1); });
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(table.get(i)->take(1, kStart));
  EXPECT_EQ(table.size(), 2u);
}

TEST(KnockBudgets, LimitAKeyAnAddressAndWhoBearsThem) {
  Limits limits;
  limits.rate_knocks_sent = 1;
  limits.address_factor = 2;
  limits.rate_knocks_received = 3;
  KnockBudgets knocks(100, limits);
  const auto key = [](std::uint8_t byte) {
    std::array<std::uint8_t, 32> bytes{};
    bytes[0] = byte;
    return base::PeerId(bytes);
  };
  const auto sent = [&](std::uint8_t from, const char* address) {
    const auto prefix = AddressPrefix::of(boost::asio::ip::make_address(address));
    int out = 0;
    while (knocks.may_send(key(from), prefix, kStart)) ++out;
    return out;
  };
  EXPECT_EQ(sent(1, "192.0.2.1"), 5);
  EXPECT_EQ(sent(1, "192.0.2.2"), 0) << "another address gives the key no new budget";
  EXPECT_EQ(sent(2, "192.0.2.1"), 5);
  EXPECT_EQ(sent(3, "192.0.2.1"), 0) << "another key gives the address no new budget";
  EXPECT_EQ(sent(4, "192.0.2.2"), 5);
  int received = 0;
  while (knocks.may_receive(key(9), kStart)) ++received;
  EXPECT_EQ(received, 6);
  EXPECT_TRUE(knocks.may_receive(key(9), kStart + 1s));
}

TEST(AddressPrefix, TakesAnIpv4AddressAloneAndAnIpv6NetworkTogether) {
  const auto of = [](const char* text) { return AddressPrefix::of(boost::asio::ip::make_address(text)); };
  EXPECT_EQ(of("192.0.2.1"), of("::ffff:192.0.2.1"));
  EXPECT_NE(of("192.0.2.1"), of("192.0.2.2"));
  EXPECT_EQ(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
  EXPECT_NE(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
  EXPECT_NE(of("0.0.0.0"), of("::"));
}

TEST(Admission, DropsNothingBelowStartAndEverythingAtFull) {
  const Startups startups{.start = 10, .rate = 30, .full = 20};
  EXPECT_TRUE(admits(startups, 9, 0.0));
  EXPECT_FALSE(admits(startups, 20, 0.999));
  EXPECT_FALSE(admits(startups, 25, 0.999));
}

TEST(Admission, DropsMoreTheFullerItIs) {
  const Startups startups{.start = 10, .rate = 30, .full = 20};
  EXPECT_FALSE(admits(startups, 10, 0.29));
  EXPECT_TRUE(admits(startups, 10, 0.31));
  EXPECT_FALSE(admits(startups, 15, 0.64));
  EXPECT_TRUE(admits(startups, 15, 0.66));
}

TEST(Admission, KnowsAStartThatEqualsFull) {
  const Startups startups{.start = 10, .rate = 30, .full = 10};
  EXPECT_TRUE(admits(startups, 9, 0.0));
  EXPECT_FALSE(admits(startups, 10, 0.9));
}

}  // namespace
}  // namespace p2pd::relay
