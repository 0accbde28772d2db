// connect, disconnect.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// "connected to bob via relay in 12 ms"; with both times known: "connected to bob via direct: relay 12 ms,
// direct 34 ms".
std::string describe(const json& result) {
  std::string out = "connected to " + field(member(result, "peer"), "name") + " via " + field(result, "path");
  const json& to_relay = member(result, "to_relay_ms");
  const json& to_direct = member(result, "to_direct_ms");
  if (to_direct.is_number())
    return out + ": relay " + format_ms(to_relay) + ", direct " + format_ms(to_direct);
  if (to_relay.is_number()) return out + " in " + format_ms(to_relay);
  return out;
}

}  // namespace

CtlResult<ExitCode> run_connect(Context& context, const Arguments& arguments) {
  const bool want_direct = arguments.value("--wait") == "direct";
  if (want_direct && arguments.has("--no-direct")) {
    return Failure{ExitCode::usage, "--wait direct and --no-direct contradict each other: leave one out"};
  }
  json params = {{"peer", arguments.operand(0)}, {"wait", want_direct ? "direct" : "relay"}};
  if (arguments.has("--no-direct")) params["direct"] = false;
  const base::Duration wait = context.timeout_or(std::chrono::seconds(10));
  const CtlResult<JsonPtr> result = context.call_waiting("peer.connect", std::move(params), wait);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else {
    context.out() << describe(**result) << "\n";
  }
  if (!want_direct || member(**result, "path") == "direct") return ExitCode::done;
  context.err() << "not direct: " << explain_why(member(**result, "why_not_direct")) << "\n";
  return ExitCode::not_direct;
}

CtlResult<ExitCode> run_disconnect(Context& context, const Arguments& arguments) {
  const CtlResult<JsonPtr> result = context.call("peer.disconnect", {{"peer", arguments.operand(0)}});
  if (!result) return result.error();
  return context.done(**result, "disconnected from " + escape_line(arguments.operand(0)));
}

}  // namespace p2pd::ctl
