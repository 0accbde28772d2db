#include "daemon/hashed_prefix.hpp"

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

base::Bytes bytes(std::size_t size) {
  base::Bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  return out;
}

TEST(HashedPrefix, IsTheDigestOfEverythingSoFar) {
  const base::Bytes all = bytes(100'000);
  HashedPrefix prefix;
  EXPECT_EQ(prefix.digest(), net::sha256({}));
  prefix.add(base::ByteView(all).first(10));
  EXPECT_EQ(prefix.digest(), net::sha256(base::ByteView(all).first(10)));
  prefix.add(base::ByteView(all).subspan(10));
  EXPECT_EQ(prefix.position(), all.size());
  EXPECT_EQ(prefix.digest(), net::sha256(all));
}

TEST(HashedPrefix, CountsAHoleAsZeros) {
  base::Bytes all(700'001);
  all[0] = 1;
  HashedPrefix prefix;
  prefix.add(base::ByteView(all).first(1));
  prefix.add_zeros(700'000);
  EXPECT_EQ(prefix.position(), all.size());
  EXPECT_EQ(prefix.digest(), net::sha256(all));
}

TEST(HashedPrefix, GoesBackToAKeptPlaceAndOnFromThere) {
  const base::Bytes all = bytes(3 * HashedPrefix::kInterval);
  HashedPrefix prefix;
  for (std::size_t at = 0; at < all.size(); at += 1 << 20)
    prefix.add(base::ByteView(all).subspan(at, 1 << 20));
  const std::uint64_t wanted = 2 * HashedPrefix::kInterval + 5;
  prefix.go_back(wanted);
  ASSERT_LE(prefix.position(), wanted);
  EXPECT_GT(prefix.position(), 0U);
  prefix.add(base::ByteView(all).subspan(prefix.position()));
  EXPECT_EQ(prefix.digest(), net::sha256(all));
}

TEST(HashedPrefix, GoesToTheBeginningWhereNothingIsKept) {
  HashedPrefix prefix;
  prefix.add(bytes(1000));
  prefix.go_back(1000);
  EXPECT_EQ(prefix.position(), 1000U) << "it is there already";
  prefix.go_back(999);
  EXPECT_EQ(prefix.position(), 0U);
  EXPECT_EQ(prefix.digest(), net::sha256({}));
}

TEST(HashedPrefix, KeepsSoManyPlacesOnly) {
  HashedPrefix prefix;
  const base::Bytes piece = bytes(HashedPrefix::kInterval);
  for (std::size_t i = 0; i < HashedPrefix::kKept + 2; ++i) prefix.add(piece);
  prefix.go_back(3 * HashedPrefix::kInterval);
  EXPECT_EQ(prefix.position(), 3 * HashedPrefix::kInterval);
  prefix.go_back(2 * HashedPrefix::kInterval);
  EXPECT_EQ(prefix.position(), 0U);
}

}  // namespace
}  // namespace p2pd::daemon
