// status: relays, peers, paths.
#include <algorithm>
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

void print_relays(Context& context, const json& relays) {
  if (relays.empty()) {
    context.out() << "no relay is configured: add `relay = wss://HOST` to p2pd.conf\n";
    return;
  }
  for (const json& relay : relays) {
    context.out() << "relay " << field(relay, "url") << "  " << context.paint().state(field(relay, "state"));
    const json& rtt = member(relay, "rtt_ms");
    if (rtt.is_number()) context.out() << "  " << format_ms(rtt);
    const json& error = member(relay, "error");
    if (error.is_string()) context.out() << "  " << word(error);
    context.out() << "\n";
  }
}

std::string bytes_of(const json& bytes, const std::string& path) {
  return path + " " + format_bytes(member(bytes, path + "_tx")) + " out, " +
         format_bytes(member(bytes, path + "_rx")) + " in";
}

// "12 s", "3 min", "2.5 h"
std::string format_time(const json& ms) {
  const double seconds = ms.is_number() ? ms.get<double>() / 1000 : 0;
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

void print_quality(std::ostream& out, const json& quality) {
  out << "  quality     jitter " << format_ms(member(quality, "jitter_ms"));
  const json& loss = member(quality, "loss");
  if (loss.is_number()) out << fmt::format(", loss {:.2g} %", loss.get<double>() * 100);
  const json& rate = member(quality, "delivery_rate");
  if (rate.is_number()) out << ", " << format_bytes(rate) << "/s";
  const json& time = member(quality, "time_ms");
  for (const char* path : {"relay", "direct", "turn"}) {
    const json& spent = member(time, path);
    if (spent.is_number() && spent != 0) out << ", " << path << " for " << format_time(spent);
  }
  out << ", switched " << field(quality, "switches")
      << (member(quality, "switches") == 1 ? " time\n" : " times\n");
}

void print_peer(Context& context, const json& peer) {
  std::ostream& out = context.out();
  const json& path = member(peer, "path");
  out << field(peer, "name") << "  " << context.paint().state(field(peer, "state"));
  if (path.is_string()) {
    out << "  " << context.paint().state(word(path)) << "  " << format_ms(member(peer, "rtt_ms"));
  }
  out << "\n  id          " << field(peer, "id") << "\n";
  const json& why = member(peer, "why_not_direct");
  if (path.is_string() && why.is_string()) out << "  not direct  " << explain_why(why) << "\n";
  const json& local = member(peer, "local_candidate");
  const json& remote = member(peer, "remote_candidate");
  if (!local.is_null() || !remote.is_null())
    out << "  candidates  " << word(local) << " -> " << word(remote) << "\n";
  if (member(peer, "to_relay_ms").is_number()) {
    out << "  times       relay " << format_ms(member(peer, "to_relay_ms")) << ", direct "
        << format_ms(member(peer, "to_direct_ms")) << "\n";
  }
  const json& bytes = member(peer, "bytes");
  if (bytes.is_object()) {
    out << "  bytes       " << bytes_of(bytes, "relay") << "; " << bytes_of(bytes, "direct") << "; "
        << bytes_of(bytes, "turn") << "\n";
  }
  const json& quality = member(peer, "quality");
  if (quality.is_object()) print_quality(out, quality);
  const json& outbox = member(peer, "outbox");
  if (outbox.is_number() && outbox != 0) {
    out << "  outbox      " << word(outbox) << (outbox == 1 ? " message waits\n" : " messages wait\n");
  }
  const json& error = member(peer, "last_error");
  if (error.is_string() && !path.is_string()) out << "  last error  " << word(error) << "\n";
}

void print_all(Context& context, const json& status) {
  context.out() << "p2pd " << field(status, "version") << "  " << field(status, "peer_id") << "\n";
  print_relays(context, member(status, "relays"));
  const json& peers = member(status, "peers");
  if (peers.empty()) context.out() << "no peer yet: pair with one by `p2pctl invite` and `p2pctl accept`\n";
  for (const json& peer : peers) print_peer(context, peer);
}

CtlResult<void> show(Context& context, const std::optional<std::string>& peer) {
  const CtlResult<JsonPtr> result =
      peer ? context.call("peer.status", {{"peer", *peer}}) : context.call("daemon.status", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else if (peer) {
    print_peer(context, **result);
  } else {
    print_all(context, **result);
  }
  context.out().flush();
  return {};
}

// The next event that tells of a change. Quality comes each second, changed or not.
CtlResult<JsonPtr> next_change(Context& context, base::TimePoint until) {
  for (;;) {
    CtlResult<JsonPtr> event = context.next_event(until);
    if (!event || member(**event, "type") != "quality") return event;
  }
}

// Round trips and counters change without an event: a terminal is redrawn once a second, a pipe gets a new
// status for each change only.
Failure watch(Context& context, const std::optional<std::string>& peer) {
  const std::vector<std::string> topics{"relay", "peer", "message"};
  const bool redraw = context.environment().out_is_terminal && !context.json();
  const CtlResult<void> subscribed = context.subscribe(topics, peer);
  if (!subscribed) return subscribed.error();
  // The snapshot that every subscription begins with says nothing new.
  const CtlResult<JsonPtr> snapshot = context.next_event(context.end());
  if (!snapshot) return snapshot.error();
  for (;;) {
    if (redraw) context.out() << "\x1b[H\x1b[2J";
    const CtlResult<void> shown = show(context, peer);
    if (!shown) return shown.error();
    base::TimePoint until = context.end();
    if (redraw) until = std::min(until, base::Clock::now() + std::chrono::seconds(1));
    CtlResult<JsonPtr> event = next_change(context, until);
    // One status stands for all that has happened until now.
    while (event) {
      if (member(**event, "type") == "overflow") {
        const CtlResult<void> again = context.subscribe(topics, peer);
        if (!again) return again.error();
      }
      event = next_change(context, base::Clock::now());
    }
    const bool over = base::Clock::now() >= context.end();
    if (event.error().code != ExitCode::timeout || over) return event.error();
  }
}

}  // namespace

CtlResult<ExitCode> run_status(Context& context, const Arguments& arguments) {
  std::optional<std::string> peer;
  if (!arguments.operands().empty()) peer = arguments.operand(0);
  if (arguments.has("--watch")) return watch(context, peer);
  const CtlResult<void> shown = show(context, peer);
  if (!shown) return shown.error();
  return ExitCode::done;
}

}  // namespace p2pd::ctl
