// history: what was tried to reach a peer, the latest first.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

std::string with_reason(const json& row) {
  const json& reason = member(row, "reason");
  return reason.is_string() ? " (" + word(reason) + ")" : "";
}

void print_attempt(Context& context, const json& attempt) {
  std::ostream& out = context.out();
  const json& outcome = member(attempt, "outcome");
  out << field(attempt, "started") << "  " << (outcome.is_string() ? word(outcome) : "under way")
      << with_reason(attempt);
  if (member(attempt, "to_relay_ms").is_number()) {
    out << "  relay " << format_ms(member(attempt, "to_relay_ms")) << ", direct "
        << format_ms(member(attempt, "to_direct_ms"));
  }
  out << "\n";
  for (const json& candidate : member(attempt, "candidates")) {
    out << "  " << field(candidate, "side") << " " << field(candidate, "type") << " "
        << field(candidate, "address") << "  generation " << field(candidate, "generation") << "  "
        << field(candidate, "state") << with_reason(candidate) << "\n";
  }
  for (const json& path : member(attempt, "paths")) {
    out << "  path " << field(path, "from") << " -> " << field(path, "to") << with_reason(path) << "\n";
  }
  const json& quality = member(attempt, "quality");
  if (quality.is_object()) {
    out << "  round trip " << format_ms(member(quality, "rtt_ms")) << ", jitter "
        << format_ms(member(quality, "jitter_ms")) << ", packets " << field(quality, "packets_sent")
        << ", lost " << field(quality, "packets_lost") << "\n";
  }
}

}  // namespace

CtlResult<ExitCode> run_history(Context& context, const Arguments& arguments) {
  const CtlResult<JsonPtr> result = context.call("peer.history", {{"peer", arguments.operand(0)}});
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  const json& attempts = member(**result, "attempts");
  if (attempts.empty())
    context.err() << "never tried yet: `p2pctl connect " << escape_line(arguments.operand(0)) << "`\n";
  for (const json& attempt : attempts) print_attempt(context, attempt);
  return ExitCode::done;
}

}  // namespace p2pd::ctl
