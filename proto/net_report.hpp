// What one machine's network allows, as its own check has found out: the values that the network check fills,
// that the API shows and that two peers tell each other for a diagnosis. Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/candidate.hpp"

namespace p2pd::proto {

// RFC 4787 section 4.1: which destinations see the same outside address and port.
enum class NatMapping : std::uint8_t {
  unknown = 0,
  none = 1,  // the outside address is this machine's own
  endpoint_independent = 2,
  address_dependent = 3,
  address_and_port_dependent = 4,
};
// RFC 4787 section 5: whose packets are let in to an address that is in use.
enum class NatFiltering : std::uint8_t {
  unknown = 0,
  endpoint_independent = 1,
  address_dependent = 2,
  address_and_port_dependent = 3,
};
// How outside ports are chosen.
enum class PortAllocation : std::uint8_t {
  unknown = 0,
  preserving = 1,  // the same as inside
  sequential = 2,  // each some steps after the one before
  random = 3,
};
enum class Finding : std::uint8_t { unknown = 0, no = 1, yes = 2 };

[[nodiscard]] std::string_view to_string(NatMapping mapping);
[[nodiscard]] std::string_view to_string(NatFiltering filtering);
[[nodiscard]] std::string_view to_string(PortAllocation allocation);

// One address family.
struct FamilyReport {
  Finding address = Finding::unknown;  // this machine has one that reaches further than its link
  Finding udp = Finding::unknown;      // a STUN server answered
  std::optional<Endpoint> outside;     // as the first server to answer sees this machine
  NatMapping mapping = NatMapping::unknown;
  NatFiltering filtering = NatFiltering::unknown;
  PortAllocation allocation = PortAllocation::unknown;
  std::int16_t allocation_step = 0;  // of a sequential one
  Finding hairpin = Finding::unknown;
  std::uint16_t path_mtu = 0;  // the largest IP packet that arrived, bytes; 0: not known

  bool operator==(const FamilyReport&) const = default;
};

struct NetReport {
  bool direct = true;  // direct paths are allowed here; without, nothing below is known
  FamilyReport ipv4;
  FamilyReport ipv6;

  bool operator==(const NetReport&) const = default;
};

// As the control stream carries it: flag direct, then IPv4's and IPv6's in the order of FamilyReport's
// members.
void write_net_report(base::ByteWriter& out, const NetReport& report);
// Errors: bad_value for a number that means nothing. What is missing shows in the reader.
[[nodiscard]] base::Result<NetReport> read_net_report(base::ByteReader& reader);

// A different outside address for each destination: the far end cannot know where to send to.
[[nodiscard]] bool symmetric(const FamilyReport& family);

// The family's NAT in one word: unknown, udp_blocked, none, firewall (no NAT, but unasked packets are
// dropped), full_cone, address_restricted, port_restricted (all with one mapping for all destinations), cone
// (the same, filtering not known), symmetric.
[[nodiscard]] std::string_view nat_word(const FamilyReport& family);

}  // namespace p2pd::proto
