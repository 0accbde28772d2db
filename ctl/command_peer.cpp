// peer add, list, set, remove: the address book.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;
using Operands = std::vector<std::string>;

CtlResult<ExitCode> add(Context& context, const Operands& operands, const std::vector<std::string>& relays) {
  if (operands.size() != 3)
    return Failure{ExitCode::usage, "usage: p2pctl peer add NAME ID [--relay URL]..."};
  json params = {{"name", operands[1]}, {"id", operands[2]}};
  if (!relays.empty()) params["relays"] = relays;
  const CtlResult<JsonPtr> result = context.call("peer.add", params);
  if (!result) return result.error();
  const std::string name = field(member(**result, "peer"), "name");
  return context.done(**result, "added " + name + ": try `p2pctl connect " + name + "`");
}

CtlResult<ExitCode> list_peers(Context& context, const Operands& operands) {
  if (operands.size() != 1) return Failure{ExitCode::usage, "usage: p2pctl peer list"};
  const CtlResult<JsonPtr> result = context.call("peer.list", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "ID", "DIRECT", "FILES", "RELAYS"}};
  for (const json& peer : member(**result, "peers")) {
    std::string relays;
    for (const json& relay : member(peer, "relays")) relays += (relays.empty() ? "" : " ") + word(relay);
    rows.push_back({field(peer, "name"), field(peer, "id"), field(peer, "direct"), field(peer, "files"),
                    relays.empty() ? "-" : relays});
  }
  if (rows.size() == 1) {
    context.err() << "no peer yet: pair with one by `p2pctl invite` and `p2pctl accept`, or `p2pctl peer add "
                     "NAME ID`\n";
  } else {
    print_table(context.out(), rows, context.paint());
  }
  return ExitCode::done;
}

CtlResult<ExitCode> set(Context& context, const Operands& operands) {
  if (operands.size() < 3) return Failure{ExitCode::usage, "usage: p2pctl peer set P KEY=VALUE..."};
  json params = {{"peer", operands[1]}};
  for (std::size_t i = 2; i < operands.size(); ++i) {
    const std::size_t equals = operands[i].find('=');
    const std::string key = operands[i].substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : operands[i].substr(equals + 1);
    const bool good = (key == "name" && !value.empty()) ||
                      (key == "direct" && (value == "on" || value == "off")) ||
                      (key == "files" && (value == "accept" || value == "refuse"));
    if (!good) {
      return Failure{ExitCode::usage,
                     "'" + escape_line(operands[i]) +
                         "' is not a setting: give name=NAME, direct=on|off or files=accept|refuse"};
    }
    params[key] = value;
  }
  const CtlResult<JsonPtr> result = context.call("peer.set", params);
  if (!result) return result.error();
  const json& peer = member(**result, "peer");
  return context.done(
      **result, field(peer, "name") + ": direct=" + field(peer, "direct") + " files=" + field(peer, "files"));
}

CtlResult<ExitCode> remove(Context& context, const Operands& operands) {
  if (operands.size() != 2) return Failure{ExitCode::usage, "usage: p2pctl peer remove P"};
  const CtlResult<JsonPtr> result = context.call("peer.remove", {{"peer", operands[1]}});
  if (!result) return result.error();
  return context.done(**result, "removed " + escape_line(operands[1]));
}

}  // namespace

CtlResult<ExitCode> run_peer(Context& context, const Arguments& arguments) {
  const Operands& operands = arguments.operands();
  if (arguments.has("--relay") && operands[0] != "add")
    return Failure{ExitCode::usage, "--relay belongs to `p2pctl peer add`"};
  if (operands[0] == "add") return add(context, operands, arguments.values("--relay"));
  if (operands[0] == "list") return list_peers(context, operands);
  if (operands[0] == "set") return set(context, operands);
  if (operands[0] == "remove") return remove(context, operands);
  return Failure{ExitCode::usage,
                 "`p2pctl peer` can add, list, set or remove, not '" + escape_line(operands[0]) + "'"};
}

}  // namespace p2pd::ctl
