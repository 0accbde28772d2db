#include "daemon/net_json.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "daemon/status_json.hpp"

namespace p2pd::daemon {
namespace {

using nlohmann::json;
using proto::FamilyReport;
using proto::Finding;

json finding_json(Finding finding) {
  return finding == Finding::unknown ? json() : json(finding == Finding::yes);
}

json endpoint_or_null(const std::optional<proto::Endpoint>& endpoint) {
  return endpoint ? json(endpoint->text()) : json();
}

template <class Word>
json word_or_null(Word word) {
  return word == Word::unknown ? json() : json(to_string(word));
}

json family_json(const FamilyReport& family) {
  const bool sequential = family.allocation == proto::PortAllocation::sequential;
  return {{"address", finding_json(family.address)},
          {"udp", finding_json(family.udp)},
          {"outside", endpoint_or_null(family.outside)},
          {"nat", nat_word(family)},
          {"mapping", word_or_null(family.mapping)},
          {"filtering", word_or_null(family.filtering)},
          {"port_preservation", family.allocation == proto::PortAllocation::unknown
                                    ? json()
                                    : json(family.allocation == proto::PortAllocation::preserving)},
          {"allocation", word_or_null(family.allocation)},
          {"allocation_step", sequential ? json(family.allocation_step) : json()},
          {"hairpin", finding_json(family.hairpin)},
          {"path_mtu", family.path_mtu == 0 ? json() : json(family.path_mtu)}};
}

// Of the two families together: yes where either has it.
json any_udp(const proto::NetReport& report) {
  if (report.ipv4.udp == Finding::yes || report.ipv6.udp == Finding::yes) return true;
  if (report.ipv4.udp == Finding::no || report.ipv6.udp == Finding::no) return false;
  return {};
}

json note(const NetCheckResult& result) {
  if (!result.direct) return "direct paths are switched off here: not one UDP packet was sent";
  if (!result.any_server)
    return "no STUN server is known: configure a relay, or `stun = HOST:PORT`, whose name resolves";
  const FamilyReport& v4 = result.findings.ipv4;
  const FamilyReport& v6 = result.findings.ipv6;
  if (v4.address == Finding::no && v6.address == Finding::no) return "this machine has no network";
  const auto& servers = result.findings.servers;
  if (std::none_of(servers.begin(), servers.end(), [](const auto& one) { return one.rtt.has_value(); }))
    return "no STUN server answered: this network lets no UDP through, or the servers are down";
  if (std::none_of(servers.begin(), servers.end(), [](const auto& one) { return one.behaviour; }))
    return "no STUN server has a second address: what the NAT does to other destinations is only guessed";
  return {};
}

json turn_json(const net::TurnServerReport& server) {
  const bool allocated = server.relayed.has_value();
  const char* error = allocated         ? nullptr
                      : server.answered ? "it answers, but gives no allocation: look at the credentials"
                                        : "no answer";
  return {{"server", server.server.text()},
          {"transport", server.transport == net::TurnServer::Transport::udp ? "udp" : "tcp"},
          {"allocated", allocated},
          {"took_ms", allocated ? ms_or_null(server.took) : json()},
          {"relayed", endpoint_or_null(server.relayed)},
          {"error", error == nullptr ? json() : json(error)}};
}

}  // namespace

json to_json(const proto::NetReport& report) {
  return {{"direct", report.direct},
          {"udp", any_udp(report)},
          {"ipv4", family_json(report.ipv4)},
          {"ipv6", family_json(report.ipv6)}};
}

json to_json(const NetCheckResult& result, const std::vector<RelayHub::Status>& relays,
             const net::PortMapperStatus& mapper) {
  json out = to_json(result.report());
  json servers = json::array();
  for (const auto& server : result.findings.servers) {
    servers.push_back({{"server", server.server.text()},
                       {"rtt_ms", ms_or_null(server.rtt)},
                       {"outside", endpoint_or_null(server.outside)},
                       {"behaviour", server.behaviour}});
  }
  json turn = json::array();
  for (const auto& server : result.turn) turn.push_back(turn_json(server));
  json sessions = json::array();
  for (const auto& relay : relays) sessions.push_back(to_json(relay));
  out.update({{"at", base::to_rfc3339(result.at)},
              {"took_ms", ms_or_null(result.took)},
              {"note", note(result)},
              {"stun", std::move(servers)},
              {"turn", std::move(turn)},
              {"relays", std::move(sessions)},
              {"port_mapping", to_json(mapper)}});
  return out;
}

}  // namespace p2pd::daemon
