#include "ipc/access.hpp"

#include <gtest/gtest.h>

namespace p2pd::ipc {
namespace {

constexpr uid_t kOwner = 1000;

AccessRules rules() {
  return {{{Tier::read, Grant::To::user, 2001, "reader"},
           {Tier::operate, Grant::To::group, 3002, "operators"},
           {Tier::admin, Grant::To::group, 3003, "admins"},
           {Tier::read, Grant::To::group, 3001, "readers"}}};
}

TEST(Access, IsClosedToWhoIsNotNamed) {
  EXPECT_EQ(AccessRules().tier_of({1001, 1001, {1001}}, kOwner), std::nullopt);
  EXPECT_EQ(rules().tier_of({1001, 1001, {1001, 27}}, kOwner), std::nullopt);
}

TEST(Access, TheOwnerAndRootMayDoEverything) {
  EXPECT_EQ(AccessRules().tier_of({kOwner, 1, {}}, kOwner), Tier::admin);
  EXPECT_EQ(AccessRules().tier_of({0, 1, {}}, kOwner), Tier::admin);
  EXPECT_EQ(AccessRules().tier_of({1001, 0, {0}}, kOwner), std::nullopt) << "root's group is not root";
}

TEST(Access, AUserIsNoGroupOfTheSameNumber) {
  EXPECT_EQ(rules().tier_of({2001, 1, {}}, kOwner), Tier::read);
  EXPECT_EQ(rules().tier_of({1, 2001, {2001}}, kOwner), std::nullopt);
  EXPECT_EQ(rules().tier_of({3003, 1, {}}, kOwner), std::nullopt);
}

TEST(Access, AGroupCountsAsTheFirstAndAsASupplementaryOne) {
  EXPECT_EQ(rules().tier_of({1, 3002, {}}, kOwner), Tier::operate);
  EXPECT_EQ(rules().tier_of({1, 1, {5, 3002, 6}}, kOwner), Tier::operate);
}

TEST(Access, TheHighestTierCountsInWhateverOrder) {
  EXPECT_EQ(rules().tier_of({2001, 3003, {3001}}, kOwner), Tier::admin);
  EXPECT_EQ(rules().tier_of({2001, 1, {3001, 3002}}, kOwner), Tier::operate);
}

TEST(Access, ARefusalSaysWhichGroupToJoinAndWhichOptionsThereAre) {
  const std::string operate = rules().way_to(Tier::operate);
  EXPECT_NE(operate.find("usermod -aG operators "), std::string::npos) << operate;
  EXPECT_NE(operate.find("operate-user or operate-group in p2pd.conf"), std::string::npos) << operate;
  const std::string admin = rules().way_to(Tier::admin);
  EXPECT_NE(admin.find("group admins "), std::string::npos) << admin;
  EXPECT_EQ(AccessRules().way_to(Tier::read).find("join"), std::string::npos);
}

}  // namespace
}  // namespace p2pd::ipc
