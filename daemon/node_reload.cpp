// Node: the configuration read again, and taken over by what runs.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "daemon/errors.hpp"
#include "daemon/node.hpp"

namespace p2pd::daemon {
namespace {

// Several mistakes, a line each, as one sentence.
std::string one_line(std::string text) {
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, "; ");
  return text;
}

}  // namespace

base::Result<ReloadPlan> Node::reload() {
  service_.reloading();
  base::Result<ReloadPlan> result = read_and_apply();
  service_.reloaded();
  if (!result) {
    base::log::error("daemon", "the configuration was not taken over, the old one stays in force",
                     {{"reason", result.error().context}});
    return result;
  }
  base::log::info("daemon", "configuration read again",
                  {{"changed", fmt::format("{}", fmt::join(result->changed, " "))},
                   {"needs_restart", fmt::format("{}", fmt::join(result->needs_restart, " "))}});
  events_->publish("daemon", "reloaded",
                   {{"changed", result->changed}, {"needs_restart", result->needs_restart}});
  return result;
}

base::Result<ReloadPlan> Node::read_and_apply() {
  auto read = sources_.read_options();
  if (!read) return make_error(ErrorCode::invalid_config, one_line(read.error().context));
  ReloadPlan plan = plan_reload(options_, *read);
  options_ = plan.next;
  apply(plan.changed);
  return plan;
}

// Nothing here can fail or ends a connection; of several options each part is told once.
void Node::apply(const std::vector<std::string>& changed) {
  const auto any_of = [&changed](std::initializer_list<std::string_view> names) {
    return std::any_of(changed.begin(), changed.end(), [&names](const std::string& one) {
      return std::find(names.begin(), names.end(), one) != names.end();
    });
  };
  if (any_of({"log-level"})) base::log::set_level(options_.log_level);
  if (any_of({"relay", "relay-ca", "relay-token-file", "presence"})) hub_->reconfigure(relay_config());
  if (any_of({"relay"})) {
    tell_own_relays();
    if (options_.relays.empty()) base::log::warn("relay", hub_->trouble());
  }
  if (any_of({"direct"})) {
    for (const auto& [id, known] : book_.all()) {
      with_peer(
          id, [allowed = direct_allowed(known)](PeerNode& node) { node.peer().set_direct_allowed(allowed); });
    }
  }
  if (any_of({"relay", "stun", "turn", "turn-secret-file", "direct"})) {
    start_resolving();
    net_->changed();
  }
  if (any_of({"direct", "port-mapping"})) mapper_->set_enabled(mapping_wanted());
  service_.changed();
}

}  // namespace p2pd::daemon
