// What the answers of STUN servers say about the NAT in front of this machine (RFC 5780 sections 4.3 and 4.4,
// RFC 4787). Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "proto/net_report.hpp"

namespace p2pd::net {

// One socket's outside address as different destinations told it; nothing where none answered.
struct MappingSamples {
  std::optional<proto::Endpoint> first;          // the server's primary address and port
  std::optional<proto::Endpoint> other_address;  // its other address, the primary port
  std::optional<proto::Endpoint> other_both;     // its other address, the other port
  std::vector<proto::Endpoint> elsewhere;        // further servers
};
// `own`: the first sample is an address and port of this machine itself. Where only servers elsewhere
// disagree nobody can tell whether the port counts: address_and_port_dependent, the worse.
[[nodiscard]] proto::NatMapping classify_mapping(const MappingSamples& samples, bool own);

// A fresh socket that has spoken to one server address only, and which further sources it then heard.
struct FilteringSamples {
  bool asked = false;  // the server has other addresses and answered the socket
  bool other_both = false;
  bool other_port = false;
};
[[nodiscard]] proto::NatFiltering classify_filtering(const FilteringSamples& samples);

// Sockets in the order they first spoke, all to one destination.
struct PortSample {
  std::uint16_t inside = 0;
  std::uint16_t outside = 0;
};
struct AllocationPattern {
  proto::PortAllocation kind = proto::PortAllocation::unknown;
  std::int16_t step = 0;  // of a sequential one: the commonest difference
  bool operator==(const AllocationPattern&) const = default;
};
// At least three samples are needed. One port out of the pattern is forgiven, as others use the NAT too.
[[nodiscard]] AllocationPattern classify_allocation(std::span<const PortSample> samples);

}  // namespace p2pd::net
