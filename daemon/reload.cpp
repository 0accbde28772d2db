#include "daemon/reload.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace p2pd::daemon {
namespace {

bool same_content(std::string_view option, const Options& now, const Options& read) {
  if (option == "relay-ca") return now.relay_ca_content == read.relay_ca_content;
  if (option == "turn-secret-file") return now.turn_secret == read.turn_secret;
  if (option == "relay-token-file") return now.relay_token == read.relay_token;
  return true;
}

bool is_live(std::string_view option) {
  const auto table = option_table();
  const auto row =
      std::find_if(table.begin(), table.end(), [&](const auto& one) { return one.name == option; });
  P2PD_ASSERT(row != table.end());
  return row->live;
}

}  // namespace

ReloadPlan plan_reload(const Options& now, const Options& read) {
  ReloadPlan plan{.next = now, .changed = {}, .needs_restart = {}};
  // The rows of the table that are `live`, and no others.
  plan.next.files = read.files;
  plan.next.access = read.access;
  plan.next.relays = read.relays;
  plan.next.relay_ca = read.relay_ca;
  plan.next.relay_ca_content = read.relay_ca_content;
  plan.next.relay_token_file = read.relay_token_file;
  plan.next.relay_token = read.relay_token;
  plan.next.stun = read.stun;
  plan.next.turn = read.turn;
  plan.next.turn_secret_file = read.turn_secret_file;
  plan.next.turn_secret = read.turn_secret;
  plan.next.port_mapping = read.port_mapping;
  // Without its proxy's restart, a direct path would go past the proxy.
  const bool same_proxy = now.proxy == read.proxy;
  if (same_proxy) plan.next.direct = read.direct;
  plan.next.presence = read.presence;
  plan.next.log_level = read.log_level;

  const auto before = settings(now);
  const auto after = settings(read);
  P2PD_ASSERT(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string_view name = before[i].name;
    if (before[i] == after[i] && same_content(name, now, read)) continue;
    const bool live = is_live(name) && (same_proxy || name != "direct");
    (live ? plan.changed : plan.needs_restart).emplace_back(name);
  }
  return plan;
}

}  // namespace p2pd::daemon
