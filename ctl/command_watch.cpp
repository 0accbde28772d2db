// watch, wait: events as they happen.
#include <algorithm>
#include <array>
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// "2026-01-31T12:00:00.123Z peer path name=bob from=relay to=direct"
void print_event(Context& context, const json& event) {
  std::ostream& out = context.out();
  out << context.paint()(Colour::faint, field(event, "time")) << " " << field(event, "topic") << " "
      << field(event, "type");
  if (member(event, "type") == "snapshot") {
    out << " relays=" << member(event, "relays").size() << " peers=" << member(event, "peers").size() << "\n"
        << std::flush;
    return;
  }
  constexpr std::array<std::string_view, 5> kCommon{"time", "topic", "type", "seq", "subscription"};
  for (const auto& [key, value] : event.items()) {
    if (std::find(kCommon.begin(), kCommon.end(), key) != kCommon.end()) continue;
    if (!value.is_null()) out << " " << escape_line(key) << "=" << word(value);
  }
  out << "\n" << std::flush;
}

// Whether what `wait` waits for is so; for a peer, whether it is connected at all.
struct Seen {
  bool satisfied = false;
  bool connected = false;
};

CtlResult<Seen> look(Context& context, const std::optional<std::string>& peer, bool direct) {
  if (!peer) {
    const CtlResult<JsonPtr> status = context.call("daemon.status", json::object());
    if (!status) return status.error();
    const json& relays = member(**status, "relays");
    const bool online = std::any_of(relays.begin(), relays.end(),
                                    [](const json& r) { return member(r, "state") == "online"; });
    return Seen{online, false};
  }
  const CtlResult<JsonPtr> status = context.call("peer.status", {{"peer", *peer}});
  if (!status) return status.error();
  const bool connected = member(**status, "state") == "established";
  return Seen{connected && (!direct || member(**status, "path") == "direct"), connected};
}

}  // namespace

CtlResult<ExitCode> run_watch(Context& context, const Arguments& arguments) {
  std::vector<std::string> topics = arguments.values("--topic");
  if (topics.empty()) topics = {"daemon", "relay", "peer", "message", "file", "service", "net"};
  CtlResult<void> subscribed = context.subscribe_to(topics, arguments.operands());
  if (!subscribed) return subscribed.error();
  for (;;) {
    const CtlResult<JsonPtr> event = context.next_event(context.end());
    if (!event) return event.error();
    if (context.json()) {
      context.print_json(**event);
    } else {
      print_event(context, **event);
    }
    if (!context.out()) return Failure{ExitCode::refused, "cannot write to standard output"};
    if (member(**event, "type") != "overflow") continue;
    context.err() << "events were lost because they were not read in time; starting again\n";
    subscribed = context.subscribe_to(topics, arguments.operands());
    if (!subscribed) return subscribed.error();
  }
}

CtlResult<ExitCode> run_wait(Context& context, const Arguments& arguments) {
  const bool direct = arguments.has("--direct");
  std::optional<std::string> peer;
  if (arguments.operand(0) != "online") peer = arguments.operand(0);
  if (direct && !peer) return Failure{ExitCode::usage, "--direct needs a peer: p2pctl wait P --direct"};
  const std::vector<std::string> topics{peer ? "peer" : "relay"};
  // Subscribed before the first look; the snapshot is the first event, and so makes the first look happen.
  CtlResult<void> subscribed = context.subscribe(topics, peer);
  if (!subscribed) return subscribed.error();
  Seen seen;
  for (;;) {
    const CtlResult<JsonPtr> event = context.next_event(context.end());
    if (!event && event.error().code == ExitCode::timeout) break;
    if (!event) return event.error();
    if (member(**event, "type") == "overflow") {
      subscribed = context.subscribe(topics, peer);
      if (!subscribed) return subscribed.error();
    }
    const CtlResult<Seen> looked = look(context, peer, direct);
    if (!looked && looked.error().code == ExitCode::timeout) break;
    if (!looked) return looked.error();
    seen = *looked;
    if (!seen.satisfied) continue;
    if (context.json()) context.print_json(json::object());
    return ExitCode::done;
  }
  if (seen.connected) {
    return Failure{ExitCode::not_direct, escape_line(*peer) +
                                             " is connected, but not directly: `p2pctl status " +
                                             escape_line(*peer) + "` says why"};
  }
  if (!peer) return Failure{ExitCode::timeout, "no relay came online in time: `p2pctl status` says why"};
  return Failure{ExitCode::timeout, escape_line(*peer) + " was not connected in time: try `p2pctl connect " +
                                        escape_line(*peer) + "`"};
}

}  // namespace p2pd::ctl
