#include "daemon/access_options.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/user_names.hpp"

namespace p2pd::daemon {
namespace {

// The options of a test, and what is made of them.
class AccessOptions : public testing::Test {
 protected:
  void set(const std::string& name, const std::string& value) {
    sources_.values[name].push_back({value, "p2pd.conf:1"});
  }
  Options read(bool system_service = false) {
    Options out;
    out.system_service = system_service;
    sources_.errors.clear();
    OptionReader reader(sources_);
    read_access(reader, out);
    return out;
  }
  std::string complaint() {
    read();
    return sources_.errors.empty() ? "none" : sources_.errors.front();
  }

  OptionSources sources_;
};

TEST_F(AccessOptions, LetNobodyInByDefault) {
  const Options options = read();
  EXPECT_TRUE(sources_.errors.empty());
  EXPECT_TRUE(options.access.grants.empty());
  EXPECT_EQ(options.socket_mode, 0600U);
  EXPECT_EQ(options.socket_gid, std::nullopt);
}

TEST_F(AccessOptions, TakeNamesAndNumbers) {
  set("socket-mode", "0660");
  set("socket-group", "54321");
  set("read-user", "root");
  set("read-user", "54322");
  set("admin-group", "root");
  const Options options = read();
  EXPECT_TRUE(sources_.errors.empty()) << sources_.errors.front();
  using To = ipc::Grant::To;
  EXPECT_EQ(options.access.grants, (std::vector<ipc::Grant>{{ipc::Tier::read, To::user, 0, "root"},
                                                            {ipc::Tier::read, To::user, 54322, "54322"},
                                                            {ipc::Tier::admin, To::group, 0, "root"}}));
  EXPECT_EQ(options.socket_mode, 0660U);
  EXPECT_EQ(options.socket_gid, 54321U);
  const auto settings = access_settings(options.access);
  ASSERT_EQ(settings.size(), 6U);
  EXPECT_EQ(settings[0], (Setting{"read-user", {"root", "54322"}}));
  EXPECT_EQ(settings[5], (Setting{"admin-group", {"root"}}));
}

TEST_F(AccessOptions, AnUnknownNameIsToldWithItsPlace) {
  set("socket-mode", "0666");
  set("operate-user", "no-such-user-here");
  EXPECT_NE(complaint().find("p2pd.conf:1: operate-user: there is no user 'no-such-user-here'"),
            std::string::npos)
      << complaint();
  sources_.values.clear();
  set("socket-group", "no-such-group-here");
  EXPECT_NE(complaint().find("p2pd.conf:1: socket-group: there is no group 'no-such-group-here'"),
            std::string::npos)
      << complaint();
}

TEST_F(AccessOptions, ANumberIsOneThatASystemHas) {
  EXPECT_EQ(*find_user("0"), 0U);
  EXPECT_EQ(*find_group("4294967294"), 4294967294U);
  for (const char* wrong : {"4294967295", "99999999999999999999", "-1", "1x", ""}) {
    EXPECT_FALSE(find_user(wrong)) << wrong;
    EXPECT_FALSE(find_group(wrong)) << wrong;
  }
}

TEST_F(AccessOptions, AModeThatLetsNobodyElseInIsNoWayInForOthers) {
  set("operate-user", "1234");
  EXPECT_NE(complaint().find("socket-mode"), std::string::npos) << complaint();
  set("socket-mode", "0666");
  EXPECT_EQ(complaint(), "none");
}

TEST_F(AccessOptions, OnlyThreeModesAreModes) {
  for (const char* wrong : {"0777", "0640", "660", "0606", "all"}) {
    sources_.values.clear();
    set("socket-mode", wrong);
    EXPECT_NE(complaint().find("it can be 0600, 0660 or 0666"), std::string::npos) << wrong;
  }
}

TEST_F(AccessOptions, ASystemServiceIsForItsGroupWhereThatIsThere) {
  const auto group = find_group("p2pd");
  Options options = read(true);
  if (group) {
    EXPECT_EQ(options.socket_mode, 0660U);
    EXPECT_EQ(options.socket_gid, *group);
    ASSERT_EQ(options.access.grants.size(), 1U);
    EXPECT_EQ(options.access.grants[0],
              (ipc::Grant{ipc::Tier::operate, ipc::Grant::To::group, *group, "p2pd"}));
  } else {
    EXPECT_EQ(options.socket_mode, 0600U);
    EXPECT_TRUE(options.access.grants.empty());
  }
  set("socket-mode", "0600");
  options = read(true);
  EXPECT_TRUE(sources_.errors.empty());
  EXPECT_EQ(options.socket_mode, 0600U);
  EXPECT_TRUE(options.access.grants.empty());
}

}  // namespace
}  // namespace p2pd::daemon
