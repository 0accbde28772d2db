#include "daemon/diagnosis.hpp"

#include <gmock/gmock.h>

namespace p2pd::daemon {
namespace {

using peer::PathKind;
using peer::WhyNotDirect;
using proto::FamilyReport;
using proto::Finding;
using proto::NatFiltering;
using proto::NatMapping;
using proto::NetReport;
using ::testing::HasSubstr;

FamilyReport family(NatMapping mapping, NatFiltering filtering, const char* outside) {
  FamilyReport out;
  out.address = Finding::yes;
  out.udp = Finding::yes;
  out.outside = proto::Endpoint::from_text(outside, 1234);
  out.mapping = mapping;
  out.filtering = filtering;
  return out;
}

NetReport open(const char* outside = "192.0.2.1") {
  return {true, family(NatMapping::none, NatFiltering::endpoint_independent, outside), {}};
}
NetReport port_restricted(const char* outside = "192.0.2.2") {
  return {
      true, family(NatMapping::endpoint_independent, NatFiltering::address_and_port_dependent, outside), {}};
}
NetReport symmetric_nat(const char* outside = "192.0.2.3") {
  return {true,
          family(NatMapping::address_and_port_dependent, NatFiltering::address_and_port_dependent, outside),
          {}};
}
NetReport udp_blocked() {
  NetReport out;
  out.ipv4.address = Finding::yes;
  out.ipv4.udp = Finding::no;
  return out;
}

DiagnosisFacts facts(WhyNotDirect why) {
  DiagnosisFacts out;
  out.peer = "bob";
  out.connected = true;
  out.relay_online = true;
  out.path = PathKind::relay;
  out.why = why;
  out.here = port_restricted();
  out.there = port_restricted("192.0.2.4");
  return out;
}

Diagnosis of(WhyNotDirect why, const NetReport& here, const std::optional<NetReport>& there) {
  DiagnosisFacts out = facts(why);
  out.here = here;
  out.there = there;
  return diagnose(out);
}

TEST(Diagnosis, OfADirectPathAsksForNothing) {
  DiagnosisFacts direct = facts(WhyNotDirect::none);
  direct.path = PathKind::direct;
  const Diagnosis found = diagnose(direct);
  EXPECT_EQ(found.why, WhyNotDirect::none);
  EXPECT_THAT(found.verdict, HasSubstr("the path to bob is direct"));
}

TEST(Diagnosis, HasASentenceAndAnAdviceForEveryReason) {
  std::set<std::string> verdicts;
  for (const auto why : {WhyNotDirect::in_progress, WhyNotDirect::disabled, WhyNotDirect::peer_disabled,
                         WhyNotDirect::proxy, WhyNotDirect::udp_blocked, WhyNotDirect::no_candidates,
                         WhyNotDirect::checks_failed, WhyNotDirect::symmetric_nat, WhyNotDirect::no_hairpin,
                         WhyNotDirect::path_flapping, WhyNotDirect::cooldown}) {
    const Diagnosis found = diagnose(facts(why));
    EXPECT_EQ(found.why, why);
    EXPECT_GT(found.verdict.size(), 10U) << to_string(why);
    EXPECT_GT(found.advice.size(), 10U) << to_string(why);
    EXPECT_TRUE(verdicts.insert(found.verdict).second) << to_string(why);
  }
}

TEST(Diagnosis, SaysWhereDirectPathsAreSwitchedOff) {
  DiagnosisFacts off = facts(WhyNotDirect::disabled);
  EXPECT_THAT(diagnose(off).verdict, HasSubstr("--no-direct"));
  off.peer_direct = false;
  EXPECT_THAT(diagnose(off).advice, HasSubstr("peer set bob direct=on"));
  off.here.direct = false;
  EXPECT_THAT(diagnose(off).advice, HasSubstr("p2pd.conf"));
  EXPECT_THAT(diagnose(facts(WhyNotDirect::peer_disabled)).verdict, HasSubstr("at bob"));
}

TEST(Diagnosis, SaysWhichNetworkBlocksUdp) {
  const auto verdict = [](const NetReport& here, const NetReport& there) {
    return of(WhyNotDirect::checks_failed, here, there).verdict;
  };
  EXPECT_THAT(verdict(udp_blocked(), open()), HasSubstr("the network here lets no UDP"));
  EXPECT_THAT(verdict(open(), udp_blocked()), HasSubstr("the network at bob lets no UDP"));
  EXPECT_THAT(verdict(udp_blocked(), udp_blocked()), HasSubstr("the networks here and at bob let no UDP"));
  EXPECT_EQ(of(WhyNotDirect::no_candidates, udp_blocked(), open()).why, WhyNotDirect::udp_blocked);
}

TEST(Diagnosis, NamesBothNatsThatCannotBePassedTogether) {
  EXPECT_EQ(of(WhyNotDirect::checks_failed, symmetric_nat(), symmetric_nat("192.0.2.9")).why,
            WhyNotDirect::symmetric_nat);
  const Diagnosis found = of(WhyNotDirect::checks_failed, symmetric_nat(), port_restricted());
  EXPECT_EQ(found.why, WhyNotDirect::symmetric_nat);
  EXPECT_THAT(found.verdict, HasSubstr("here: symmetric; at bob: port-restricted"));
  EXPECT_EQ(of(WhyNotDirect::checks_failed, port_restricted(), symmetric_nat()).why,
            WhyNotDirect::symmetric_nat);
}

TEST(Diagnosis, BlamesNoNatThatCanBePassed) {
  EXPECT_EQ(of(WhyNotDirect::checks_failed, symmetric_nat(), open()).why, WhyNotDirect::checks_failed);
  EXPECT_EQ(of(WhyNotDirect::checks_failed, port_restricted(), port_restricted("192.0.2.9")).why,
            WhyNotDirect::checks_failed);
  // IPv6 without a NAT should have worked.
  NetReport here = symmetric_nat();
  NetReport there = symmetric_nat("192.0.2.9");
  here.ipv6 = family(NatMapping::none, NatFiltering::endpoint_independent, "2001:db8::1");
  there.ipv6 = family(NatMapping::none, NatFiltering::endpoint_independent, "2001:db8::2");
  EXPECT_EQ(of(WhyNotDirect::checks_failed, here, there).why, WhyNotDirect::checks_failed);
}

TEST(Diagnosis, FindsTwoBehindOneNatWithoutHairpin) {
  NetReport here = port_restricted();
  NetReport there = port_restricted();
  here.ipv4.hairpin = Finding::no;
  EXPECT_EQ(of(WhyNotDirect::checks_failed, here, there).why, WhyNotDirect::no_hairpin);
  here.ipv4.hairpin = Finding::yes;
  EXPECT_EQ(of(WhyNotDirect::checks_failed, here, there).why, WhyNotDirect::checks_failed);
}

TEST(Diagnosis, FindsNoCommonKindOfAddress) {
  NetReport there;
  there.ipv6 = family(NatMapping::none, NatFiltering::endpoint_independent, "2001:db8::2");
  EXPECT_THAT(of(WhyNotDirect::checks_failed, open(), there).verdict,
              HasSubstr("no kind of address in common"));
}

TEST(Diagnosis, GoesWithoutThePeersWord) {
  const Diagnosis found = of(WhyNotDirect::checks_failed, open(), std::nullopt);
  EXPECT_EQ(found.why, WhyNotDirect::checks_failed);
  EXPECT_THAT(found.verdict, HasSubstr("did not tell"));
}

TEST(Diagnosis, OfNoConnectionTellsWhatFailed) {
  DiagnosisFacts away = facts(WhyNotDirect::in_progress);
  away.connected = false;
  away.path = std::nullopt;
  away.last_error = "the peer did not answer";
  EXPECT_THAT(diagnose(away).verdict, HasSubstr("not connected with bob: the peer did not answer"));
  EXPECT_THAT(diagnose(away).advice, HasSubstr("p2pctl connect bob"));
  away.relay_online = false;
  EXPECT_THAT(diagnose(away).verdict, HasSubstr("no relay is reached"));
}

TEST(Diagnosis, SaysThatATurnServerCarriesIt) {
  DiagnosisFacts turn = facts(WhyNotDirect::checks_failed);
  turn.path = PathKind::turn;
  EXPECT_THAT(diagnose(turn).verdict, HasSubstr("TURN"));
}

}  // namespace
}  // namespace p2pd::daemon
