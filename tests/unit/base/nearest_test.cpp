#include "base/nearest.hpp"

#include <array>

#include <gtest/gtest.h>

namespace p2pd::base {
namespace {

constexpr std::array<std::string_view, 5> kKnown{"relay", "relay-ca", "direct", "log-level", "id"};

TEST(Nearest, FindsWhatOneOrTwoSlipsWereMeantToBe) {
  EXPECT_EQ(nearest("relays", kKnown), "relay");
  EXPECT_EQ(nearest("rely", kKnown), "relay");
  EXPECT_EQ(nearest("rleay", kKnown), "relay") << "swapped";
  EXPECT_EQ(nearest("relay_ca", kKnown), "relay-ca");
  EXPECT_EQ(nearest("log-lvl", kKnown), "log-level");
}

TEST(Nearest, SaysNothingWhereNoneIsNear) {
  EXPECT_EQ(nearest("proxy", kKnown), "");
  EXPECT_EQ(nearest("", kKnown), "");
  EXPECT_EQ(nearest("ib", kKnown), "") << "too short to tell";
  EXPECT_EQ(nearest(std::string(100'000, 'r'), kKnown), "");
  EXPECT_EQ(nearest("relay", {}), "");
}

TEST(Nearest, IsASentencesEnd) {
  EXPECT_EQ(did_you_mean("direkt", kKnown, "--"), "; did you mean --direct?");
  EXPECT_EQ(did_you_mean("nonsense", kKnown, "--"), "");
}

}  // namespace
}  // namespace p2pd::base
