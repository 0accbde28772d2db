#include "daemon/diagnosis.hpp"

#include <fmt/format.h>

namespace p2pd::daemon {
namespace {

using peer::WhyNotDirect;
using proto::FamilyReport;
using proto::Finding;
using proto::NatFiltering;
using proto::NatMapping;
using proto::NetReport;

// Known to be blocked, and not only in one family.
bool blocked(const NetReport& report) {
  const bool v4 = report.ipv4.udp == Finding::yes;
  const bool v6 = report.ipv6.udp == Finding::yes;
  return !v4 && !v6 && (report.ipv4.udp == Finding::no || report.ipv6.udp == Finding::no);
}

bool filters_by_port(const FamilyReport& family) {
  return family.filtering == NatFiltering::address_and_port_dependent;
}

// No answer of the one can reach the other: a symmetric NAT's port is not known beforehand, and the other end
// lets in only what comes from a port it has sent to.
bool impassable(const FamilyReport& a, const FamilyReport& b) {
  return (symmetric(a) && (symmetric(b) || filters_by_port(b))) || (symmetric(b) && filters_by_port(a));
}

bool reaches(const FamilyReport& a, const FamilyReport& b) {
  return a.udp == Finding::yes && b.udp == Finding::yes;
}

bool same_nat(const FamilyReport& a, const FamilyReport& b) {
  const bool behind = a.mapping != NatMapping::none && b.mapping != NatMapping::none;
  return behind && a.outside && b.outside && a.outside->address == b.outside->address;
}

// In words, for a verdict.
std::string nat_of(const NetReport& report) {
  const FamilyReport& family = report.ipv4.udp == Finding::yes ? report.ipv4 : report.ipv6;
  std::string out(nat_word(family));
  for (char& c : out) {
    if (c == '_') c = '-';
  }
  if (family.allocation == proto::PortAllocation::sequential)
    out += fmt::format(", sequential ports with step {}", family.allocation_step);
  return out;
}

struct Words {
  std::string verdict;
  std::string advice;
};

Words udp_blocked(const DiagnosisFacts& facts) {
  const bool here = blocked(facts.here);
  const bool there = facts.there && blocked(*facts.there);
  const std::string where = here && there ? fmt::format("the networks here and at {} let", facts.peer)
                            : there       ? fmt::format("the network at {} lets", facts.peer)
                            : here        ? "the network here lets"
                                          : "one of the two networks lets";
  return {fmt::format("{} no UDP through, so all goes by relay", where),
          "let UDP out in the firewall of that network, or use a TURN server that listens on TCP"};
}

Words symmetric_nat(const DiagnosisFacts& facts) {
  const std::string there = facts.there ? nat_of(*facts.there) : "not known";
  return {
      fmt::format("the NATs cannot be passed together (here: {}; at {}: {})", nat_of(facts.here), facts.peer,
                  there),
      "let one of the two routers open a port (UPnP, NAT-PMP or PCP, or a forwarded UDP port), or use a TURN "
      "server"};
}

// Both networks are known, and no kind of address is common to them.
bool apart(const DiagnosisFacts& facts) {
  return facts.there && !reaches(facts.here.ipv4, facts.there->ipv4) &&
         !reaches(facts.here.ipv6, facts.there->ipv6);
}

Words nothing_in_common(const DiagnosisFacts& facts) {
  return {
      fmt::format("this machine and {} have no kind of address in common: one has IPv4 only, the other IPv6",
                  facts.peer),
      "give one of them the other kind of address, or use a TURN server that has both"};
}

Words checks_failed(const DiagnosisFacts& facts) {
  if (!facts.there) {
    return {fmt::format("no pair of addresses answered, and {} did not tell about its network", facts.peer),
            fmt::format("run `p2pctl netcheck` at {} too; an older p2pd there cannot be asked", facts.peer)};
  }
  if (apart(facts)) return nothing_in_common(facts);
  return {"no pair of addresses answered, though both networks let UDP out",
          "look for a firewall on either machine that drops UDP to unknown ports, and let p2pd through"};
}

Words of(WhyNotDirect why, const DiagnosisFacts& facts) {
  const std::string& peer = facts.peer;
  switch (why) {
    case WhyNotDirect::none:
      return {fmt::format("the path to {} is direct", peer), "nothing needs to be done"};
    case WhyNotDirect::in_progress:
      return {fmt::format("a direct path to {} is still being tried", peer), "ask again in some seconds"};
    case WhyNotDirect::disabled:
      if (!facts.here.direct)
        return {"direct paths are switched off here",
                "set `direct = on` in p2pd.conf and run `p2pctl reload`"};
      if (!facts.peer_direct) {
        return {fmt::format("direct paths to {} are switched off here", peer),
                fmt::format("run `p2pctl peer set {} direct=on`", peer)};
      }
      return {"this connection was made with --no-direct",
              fmt::format("run `p2pctl disconnect {0}` and `p2pctl connect {0}`", peer)};
    case WhyNotDirect::peer_disabled:
      return {fmt::format("direct paths are switched off at {}", peer),
              fmt::format("set `direct = on` in p2pd.conf at {}, and `p2pctl peer set NAME direct=on` there",
                          peer)};
    case WhyNotDirect::proxy:
      return {"a proxy is in use, which carries no UDP",
              "do without `proxy` in p2pd.conf where the network allows it"};
    case WhyNotDirect::udp_blocked:
      return udp_blocked(facts);
    case WhyNotDirect::no_candidates:
      if (apart(facts)) return nothing_in_common(facts);
      return {
          "no address was found that the other end could use",
          "look at `p2pctl netcheck` on both machines: they need a network and a STUN server that answers"};
    case WhyNotDirect::checks_failed:
      return checks_failed(facts);
    case WhyNotDirect::symmetric_nat:
      return symmetric_nat(facts);
    case WhyNotDirect::no_hairpin:
      return {fmt::format("this machine and {} are behind one NAT, which does not loop packets back", peer),
              "let the two reach each other inside that network, or switch on hairpin (NAT loopback) in its "
              "router"};
    case WhyNotDirect::path_flapping:
      return {
          fmt::format("the direct path to {} broke twice in five minutes and is being tried again", peer),
          "look for what interrupts UDP: weak radio, a firewall with short timeouts, two uplinks in turn"};
    case WhyNotDirect::cooldown:
      return {
          fmt::format("the direct path to {} kept breaking and is left alone for ten minutes", peer),
          "look for what interrupts UDP, then change the network or connect anew, which tries it at once"};
  }
  return {"the reason is not known", "run `p2pctl bundle` and ask for help"};
}

Words not_connected(const DiagnosisFacts& facts) {
  const std::string why = facts.last_error.empty() ? "" : ": " + facts.last_error;
  if (!facts.relay_online) {
    return {fmt::format("not connected with {}, because no relay is reached{}", facts.peer, why),
            "look at `p2pctl status`: the relay's address, its name, this machine's network"};
  }
  return {
      fmt::format("not connected with {}{}", facts.peer, why),
      fmt::format(
          "see that p2pd runs at {0}, uses the same relay and lists this machine (`p2pctl peer list` there), "
          "then `p2pctl connect {0}`",
          facts.peer)};
}

}  // namespace

WhyNotDirect refine(WhyNotDirect why, const std::optional<NetReport>& here,
                    const std::optional<NetReport>& there) {
  if (why != WhyNotDirect::checks_failed && why != WhyNotDirect::no_candidates) return why;
  if ((here && blocked(*here)) || (there && blocked(*there))) return WhyNotDirect::udp_blocked;
  if (why == WhyNotDirect::no_candidates || !here || !there) return why;
  const FamilyReport* pairs[][2] = {{&here->ipv4, &there->ipv4}, {&here->ipv6, &there->ipv6}};
  bool any = false;
  bool hairpin = true;
  bool nats = true;
  for (const auto& [a, b] : pairs) {
    if (!reaches(*a, *b)) continue;
    any = true;
    hairpin = hairpin && same_nat(*a, *b) && (a->hairpin == Finding::no || b->hairpin == Finding::no);
    nats = nats && impassable(*a, *b);
  }
  // A family that should have worked leaves the reason open.
  if (any && hairpin) return WhyNotDirect::no_hairpin;
  if (any && nats) return WhyNotDirect::symmetric_nat;
  return why;
}

Diagnosis diagnose(const DiagnosisFacts& facts) {
  Diagnosis out;
  if (!facts.connected) {
    out.why = facts.why;
    Words words = not_connected(facts);
    out.verdict = std::move(words.verdict);
    out.advice = std::move(words.advice);
    return out;
  }
  const bool direct = facts.path == peer::PathKind::direct;
  out.why = direct ? WhyNotDirect::none : refine(facts.why, facts.here, facts.there);
  Words words = of(out.why, facts);
  if (facts.path == peer::PathKind::turn) words.verdict += "; a TURN server carries it now";
  out.verdict = std::move(words.verdict);
  out.advice = std::move(words.advice);
  return out;
}

}  // namespace p2pd::daemon
