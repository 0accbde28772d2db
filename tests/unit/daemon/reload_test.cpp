#include "daemon/reload.hpp"

#include <map>

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

Options running() {
  Options out;
  out.state_dir = "/state";
  out.socket = "/socket";
  out.relays.push_back(*net::RelayUrl::parse("wss://one.example"));
  out.relays.push_back(*net::RelayUrl::parse("wss://two.example"));
  return out;
}

void grant(Options& out, ipc::Tier tier, ipc::Grant::To to) {
  out.access.grants.push_back({tier, to, 7, "7"});
}

// Another value for each option that a file can hold.
const std::map<std::string_view, void (*)(Options&)> kChanges{
    {"state-dir", [](Options& out) { out.state_dir = "/other"; }},
    {"socket", [](Options& out) { out.socket = "/other"; }},
    {"socket-mode", [](Options& out) { out.socket_mode = 0666; }},
    {"socket-group", [](Options& out) { out.socket_group = "7"; }},
    {"read-user", [](Options& out) { grant(out, ipc::Tier::read, ipc::Grant::To::user); }},
    {"read-group", [](Options& out) { grant(out, ipc::Tier::read, ipc::Grant::To::group); }},
    {"operate-user", [](Options& out) { grant(out, ipc::Tier::operate, ipc::Grant::To::user); }},
    {"operate-group", [](Options& out) { grant(out, ipc::Tier::operate, ipc::Grant::To::group); }},
    {"admin-user", [](Options& out) { grant(out, ipc::Tier::admin, ipc::Grant::To::user); }},
    {"admin-group", [](Options& out) { grant(out, ipc::Tier::admin, ipc::Grant::To::group); }},
    {"relay", [](Options& out) { out.relays.pop_back(); }},
    {"relay-ca", [](Options& out) { out.relay_ca = "/ca.pem"; }},
    {"relay-token-file", [](Options& out) { out.relay_token_file = "/token"; }},
    {"stun",
     [](Options& out) {
       out.stun.push_back({"stun.example", 3478});
     }},
    {"turn",
     [](Options& out) {
       out.turn.push_back({{"turn.example", 3478}, true});
     }},
    {"turn-secret-file", [](Options& out) { out.turn_secret_file = "/secret"; }},
    {"proxy", [](Options& out) { out.proxy = *net::ProxyUrl::parse("socks5://127.0.0.1"); }},
    {"direct", [](Options& out) { out.direct = !out.direct; }},
    {"port-mapping", [](Options& out) { out.port_mapping = !out.port_mapping; }},
    {"presence", [](Options& out) { out.presence = !out.presence; }},
    {"download-dir", [](Options& out) { out.download_dir = "/other"; }},
    {"file-quota", [](Options& out) { out.file_quota = 1; }},
    {"disk-reserve", [](Options& out) { out.disk_reserve = 1; }},
    {"workers", [](Options& out) { out.workers = 7; }},
    {"allow-loopback", [](Options& out) { out.allow_loopback = !out.allow_loopback; }},
    {"log-level", [](Options& out) { out.log_level = base::log::Level::debug; }},
};

using Names = std::vector<std::string>;

TEST(Reload, TheSameConfigurationChangesNothing) {
  const ReloadPlan plan = plan_reload(running(), running());
  EXPECT_TRUE(plan.changed.empty());
  EXPECT_TRUE(plan.needs_restart.empty());
  EXPECT_EQ(settings(plan.next), settings(running()));
}

TEST(Reload, EachOptionIsTakenOverOrWaitsForARestartAsItsRowSays) {
  std::size_t index = 0;
  for (const OptionRow& row : option_table()) {
    if (row.command_line_only) continue;
    ASSERT_TRUE(kChanges.contains(row.name)) << "a change of " << row.name << " is missing in this test";
    Options read = running();
    kChanges.at(row.name)(read);
    const ReloadPlan plan = plan_reload(running(), read);
    const Names name{std::string(row.name)};
    EXPECT_EQ(plan.changed, row.live ? name : Names()) << row.name;
    EXPECT_EQ(plan.needs_restart, row.live ? Names() : name) << row.name;
    const auto& winner = row.live ? read : running();
    EXPECT_EQ(settings(plan.next).at(index), settings(winner).at(index)) << row.name;
    ++index;
  }
}

TEST(Reload, WhatIsInAFileCountsNotOnlyItsName) {
  Options now = running();
  now.relay_ca = "/ca.pem";
  now.relay_token_file = "/token";
  now.relay_token = "old";
  Options read = now;
  read.relay_token = "new";
  ReloadPlan plan = plan_reload(now, read);
  EXPECT_EQ(plan.changed, Names{"relay-token-file"});
  EXPECT_EQ(plan.next.relay_token, "new");
  read = now;
  read.relay_ca_content = 1;
  plan = plan_reload(now, read);
  EXPECT_EQ(plan.changed, Names{"relay-ca"});
  EXPECT_EQ(plan.next.relay_ca_content, 1U);
}

TEST(Reload, NoDirectPathOpensPastAProxyThatIsStillInUse) {
  Options now = running();
  now.proxy = *net::ProxyUrl::parse("socks5://127.0.0.1");
  now.direct = false;
  const ReloadPlan plan = plan_reload(now, running());
  EXPECT_FALSE(plan.next.direct);
  EXPECT_TRUE(plan.next.proxy);
  EXPECT_EQ(plan.needs_restart, (Names{"proxy", "direct"}));
  EXPECT_TRUE(plan.changed.empty());
}

TEST(Reload, TheOrderOfRelaysCounts) {
  Options read = running();
  std::swap(read.relays[0], read.relays[1]);
  const ReloadPlan plan = plan_reload(running(), read);
  EXPECT_EQ(plan.changed, Names{"relay"});
  EXPECT_EQ(plan.next.relays[0].host, "two.example");
}

}  // namespace
}  // namespace p2pd::daemon
