// netcheck: what this network allows, as a table.
#include <ostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// Null is what could not be found out.
std::string known(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  std::string out = word(value);
  for (char& c : out) {
    if (c == '_') c = ' ';
  }
  return out;
}

std::string allocation(const json& family) {
  std::string out = known(member(family, "allocation"));
  const json& step = member(family, "allocation_step");
  if (step.is_number()) out += fmt::format(", step {}", word(step));
  return out;
}

void print_families(Context& context, const json& v4, const json& v6) {
  struct Row {
    std::string_view title;
    std::string_view key;
  };
  constexpr std::array kRows{
      Row{"UDP gets out", "udp"}, Row{"outside address", "outside"}, Row{"NAT", "nat"},
      Row{"mapping", "mapping"},  Row{"filtering", "filtering"},     Row{"port kept", "port_preservation"},
      Row{"ports", "allocation"}, Row{"hairpin", "hairpin"},         Row{"path MTU", "path_mtu"}};
  std::vector<std::vector<std::string>> table{{"", "IPv4", "IPv6"}};
  for (const Row& row : kRows) {
    if (row.key == "allocation") {
      table.push_back({std::string(row.title), allocation(v4), allocation(v6)});
    } else if (row.key == "outside") {
      table.push_back({std::string(row.title), field(v4, row.key), field(v6, row.key)});
    } else {
      table.push_back({std::string(row.title), known(member(v4, row.key)), known(member(v6, row.key))});
    }
  }
  print_table(context.out(), table, context.paint());
}

void print_servers(Context& context, const json& report) {
  std::vector<std::vector<std::string>> table{{"server", "kind", "round trip", ""}};
  for (const json& relay : member(report, "relays")) {
    const bool home = member(relay, "home") == true;
    table.push_back({field(relay, "url"), "relay", format_ms(member(relay, "rtt_ms")),
                     field(relay, "state") + (home ? ", home" : "")});
  }
  for (const json& server : member(report, "stun")) {
    const bool answered = member(server, "rtt_ms").is_number();
    table.push_back({field(server, "server"), "STUN", format_ms(member(server, "rtt_ms")),
                     answered ? "answers" : "no answer"});
  }
  for (const json& server : member(report, "turn")) {
    const bool allocated = member(server, "allocated") == true;
    table.push_back({field(server, "server"), "TURN over " + field(server, "transport"),
                     format_ms(member(server, "took_ms")),
                     allocated ? "allocates " + field(server, "relayed") : field(server, "error")});
  }
  if (table.size() == 1) return;
  context.out() << "\n";
  print_table(context.out(), table, context.paint());
}

void print_port_mapping(Context& context, const json& mapping) {
  if (!mapping.is_object()) return;
  context.out() << "\nport mapping  ";
  if (member(mapping, "protocol").is_string()) {
    const json& reached = member(mapping, "reached");
    context.out() << fmt::format("{} at {}{}\n", field(mapping, "protocol"), field(mapping, "gateway"),
                                 reached == true ? ", reached from outside" : "");
  } else {
    const bool why = member(mapping, "error").is_string();
    context.out() << field(mapping, "state") << (why ? ": " + field(mapping, "error") : "") << "\n";
  }
}

}  // namespace

CtlResult<ExitCode> run_netcheck(Context& context, const Arguments&) {
  if (context.environment().out_is_terminal && !context.json())
    context.err() << "checking the network, this takes some seconds\n";
  const CtlResult<JsonPtr> result = context.call("net.report", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  const json& report = **result;
  const json& note = member(report, "note");
  if (member(report, "direct") != false)
    print_families(context, member(report, "ipv4"), member(report, "ipv6"));
  if (note.is_string()) context.out() << word(note) << "\n";
  print_servers(context, report);
  print_port_mapping(context, member(report, "port_mapping"));
  return ExitCode::done;
}

}  // namespace p2pd::ctl
