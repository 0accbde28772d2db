#include "net/nat_behaviour.hpp"

#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

using proto::Endpoint;
using proto::FamilyReport;
using proto::Finding;
using proto::NatFiltering;
using proto::NatMapping;
using proto::PortAllocation;

std::optional<Endpoint> at(std::uint16_t port) { return Endpoint::from_text("198.51.100.7", port); }

TEST(NatMapping, IsUnknownWithoutAnAnswer) {
  EXPECT_EQ(classify_mapping({}, false), NatMapping::unknown);
  EXPECT_EQ(classify_mapping({at(1), {}, {}, {}}, false), NatMapping::unknown);
}

TEST(NatMapping, IsNoneWhereTheOutsideAddressIsOurs) {
  EXPECT_EQ(classify_mapping({at(1), {}, {}, {}}, true), NatMapping::none);
}

TEST(NatMapping, FollowsTheTestsOfRfc5780) {
  EXPECT_EQ(classify_mapping({at(1), at(1), at(1), {}}, false), NatMapping::endpoint_independent);
  EXPECT_EQ(classify_mapping({at(1), at(2), at(2), {}}, false), NatMapping::address_dependent);
  EXPECT_EQ(classify_mapping({at(1), at(2), at(3), {}}, false), NatMapping::address_and_port_dependent);
}

TEST(NatMapping, IsTheWorseOneWhereATestWasLost) {
  EXPECT_EQ(classify_mapping({at(1), at(2), {}, {}}, false), NatMapping::address_and_port_dependent);
  EXPECT_EQ(classify_mapping({at(1), {}, at(2), {}}, false), NatMapping::address_and_port_dependent);
  EXPECT_EQ(classify_mapping({at(1), {}, at(1), {}}, false), NatMapping::endpoint_independent);
}

TEST(NatMapping, IsGuessedFromServersElsewhere) {
  EXPECT_EQ(classify_mapping({at(1), {}, {}, {*at(1), *at(1)}}, false), NatMapping::endpoint_independent);
  EXPECT_EQ(classify_mapping({at(1), {}, {}, {*at(1), *at(2)}}, false),
            NatMapping::address_and_port_dependent);
  // Another address alone is another mapping, too.
  EXPECT_EQ(classify_mapping({at(1), {}, {}, {*Endpoint::from_text("198.51.100.8", 1)}}, false),
            NatMapping::address_and_port_dependent);
}

TEST(NatFiltering, FollowsTheTestsOfRfc5780) {
  EXPECT_EQ(classify_filtering({false, true, true}), NatFiltering::unknown);
  EXPECT_EQ(classify_filtering({true, true, true}), NatFiltering::endpoint_independent);
  EXPECT_EQ(classify_filtering({true, false, true}), NatFiltering::address_dependent);
  EXPECT_EQ(classify_filtering({true, false, false}), NatFiltering::address_and_port_dependent);
}

TEST(PortAllocation, NeedsThreePorts) {
  EXPECT_EQ(classify_allocation(std::vector<PortSample>{{1, 1}, {2, 2}}).kind, PortAllocation::unknown);
}

TEST(PortAllocation, PreservesAlsoWhereOnePortWasTaken) {
  const AllocationPattern preserving{PortAllocation::preserving, 0};
  EXPECT_EQ(classify_allocation(std::vector<PortSample>{{1000, 1000}, {1500, 1500}, {900, 900}}), preserving);
  EXPECT_EQ(classify_allocation(std::vector<PortSample>{{1000, 1000}, {1500, 61'000}, {900, 900}, {7, 7}}),
            preserving);
}

TEST(PortAllocation, FindsTheStepOfASequentialOne) {
  const auto classify = [](std::vector<std::uint16_t> outside) {
    std::vector<PortSample> samples;
    for (const std::uint16_t port : outside) samples.push_back({1, port});
    return classify_allocation(samples);
  };
  EXPECT_EQ(classify({5000, 5001, 5002, 5003, 5004}), (AllocationPattern{PortAllocation::sequential, 1}));
  EXPECT_EQ(classify({5000, 5002, 5004, 5006, 5008}), (AllocationPattern{PortAllocation::sequential, 2}));
  EXPECT_EQ(classify({5008, 5007, 5006, 5005, 5004}), (AllocationPattern{PortAllocation::sequential, -1}));
  // Another machine took ports in between.
  EXPECT_EQ(classify({5000, 5001, 5004, 5005, 5006}), (AllocationPattern{PortAllocation::sequential, 1}));
  // The range ended and began again.
  EXPECT_EQ(classify({65'533, 65'534, 65'535, 1024, 1025}),
            (AllocationPattern{PortAllocation::sequential, 1}));
}

TEST(PortAllocation, IsRandomWhereNoStepShows) {
  EXPECT_EQ(
      classify_allocation(std::vector<PortSample>{{1, 40'000}, {2, 1'234}, {3, 60'000}, {4, 22'222}}).kind,
      PortAllocation::random);
  EXPECT_EQ(
      classify_allocation(std::vector<PortSample>{{1, 5'000}, {2, 5'007}, {3, 5'001}, {4, 5'003}, {5, 4'990}})
          .kind,
      PortAllocation::random);
}

TEST(NatWord, NamesEachKind) {
  FamilyReport family;
  EXPECT_EQ(nat_word(family), "unknown");
  family.udp = Finding::no;
  EXPECT_EQ(nat_word(family), "udp_blocked");
  family.udp = Finding::yes;
  const auto word = [&family](NatMapping mapping, NatFiltering filtering) {
    family.mapping = mapping;
    family.filtering = filtering;
    return nat_word(family);
  };
  EXPECT_EQ(word(NatMapping::none, NatFiltering::unknown), "none");
  EXPECT_EQ(word(NatMapping::none, NatFiltering::endpoint_independent), "none");
  EXPECT_EQ(word(NatMapping::none, NatFiltering::address_and_port_dependent), "firewall");
  EXPECT_EQ(word(NatMapping::endpoint_independent, NatFiltering::endpoint_independent), "full_cone");
  EXPECT_EQ(word(NatMapping::endpoint_independent, NatFiltering::address_dependent), "address_restricted");
  EXPECT_EQ(word(NatMapping::endpoint_independent, NatFiltering::address_and_port_dependent),
            "port_restricted");
  EXPECT_EQ(word(NatMapping::endpoint_independent, NatFiltering::unknown), "cone");
  EXPECT_EQ(word(NatMapping::address_dependent, NatFiltering::endpoint_independent), "symmetric");
  EXPECT_EQ(word(NatMapping::address_and_port_dependent, NatFiltering::unknown), "symmetric");
  EXPECT_EQ(word(NatMapping::unknown, NatFiltering::endpoint_independent), "unknown");
}

}  // namespace
}  // namespace p2pd::net
