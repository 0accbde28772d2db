// doctor: why the path to a peer is what it is, from both ends' view, and what to do about it.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// "port restricted, outside 203.0.113.9:51820, MTU 1492"
std::string family_words(const json& family) {
  if (member(family, "address") == false) return "no address";
  std::string out = field(family, "nat");
  for (char& c : out) {
    if (c == '_') c = ' ';
  }
  if (member(family, "outside").is_string()) out += ", outside " + field(family, "outside");
  const json& allocation = member(family, "allocation");
  if (allocation.is_string() && allocation != "preserving") out += ", " + word(allocation) + " ports";
  if (member(family, "path_mtu").is_number()) out += ", MTU " + field(family, "path_mtu");
  return out;
}

void print_side(Context& context, const std::string& title, const json& side) {
  std::ostream& out = context.out();
  out << "\n" << title << "\n";
  if (side.is_null()) {
    out << "  it did not say: not connected, or an older p2pd\n";
    return;
  }
  if (member(side, "direct") == false) {
    out << "  direct paths are off, nothing is told\n";
    return;
  }
  out << "  IPv4  " << family_words(member(side, "ipv4")) << "\n";
  out << "  IPv6  " << family_words(member(side, "ipv6")) << "\n";
  for (const json& candidate : member(side, "candidates")) {
    out << "  " << field(candidate, "side") << " " << field(candidate, "type") << " "
        << field(candidate, "address") << "  " << field(candidate, "state");
    if (member(candidate, "reason").is_string()) out << " (" << field(candidate, "reason") << ")";
    out << "\n";
  }
}

}  // namespace

CtlResult<ExitCode> run_doctor(Context& context, const Arguments& arguments) {
  if (context.environment().out_is_terminal && !context.json())
    context.err() << "asking both networks, this takes some seconds\n";
  const CtlResult<JsonPtr> result = context.call_waiting("peer.diagnose", {{"peer", arguments.operand(0)}},
                                                         context.timeout_or(std::chrono::seconds(20)));
  if (!result) return result.error();
  const json& report = **result;
  if (context.json()) {
    context.print_json(report);
    return ExitCode::done;
  }
  context.out() << field(report, "verdict") << "\n" << field(report, "advice") << "\n";
  print_side(context, "here", member(report, "here"));
  print_side(context, "at " + field(report, "name"), member(report, "there"));
  return ExitCode::done;
}

}  // namespace p2pd::ctl
