#include "proto/net_report.hpp"

namespace p2pd::proto {

std::string_view to_string(NatMapping mapping) {
  switch (mapping) {
    case NatMapping::unknown:
      return "unknown";
    case NatMapping::none:
      return "none";
    case NatMapping::endpoint_independent:
      return "endpoint_independent";
    case NatMapping::address_dependent:
      return "address_dependent";
    case NatMapping::address_and_port_dependent:
      return "address_and_port_dependent";
  }
  return "unknown";
}

std::string_view to_string(NatFiltering filtering) {
  switch (filtering) {
    case NatFiltering::unknown:
      return "unknown";
    case NatFiltering::endpoint_independent:
      return "endpoint_independent";
    case NatFiltering::address_dependent:
      return "address_dependent";
    case NatFiltering::address_and_port_dependent:
      return "address_and_port_dependent";
  }
  return "unknown";
}

std::string_view to_string(PortAllocation allocation) {
  switch (allocation) {
    case PortAllocation::unknown:
      return "unknown";
    case PortAllocation::preserving:
      return "preserving";
    case PortAllocation::sequential:
      return "sequential";
    case PortAllocation::random:
      return "random";
  }
  return "unknown";
}

bool symmetric(const FamilyReport& family) {
  return family.mapping == NatMapping::address_dependent ||
         family.mapping == NatMapping::address_and_port_dependent;
}

std::string_view nat_word(const FamilyReport& family) {
  if (family.udp == Finding::no) return "udp_blocked";
  if (symmetric(family)) return "symmetric";
  const bool own = family.mapping == NatMapping::none;
  if (!own && family.mapping != NatMapping::endpoint_independent) return "unknown";
  switch (family.filtering) {
    case NatFiltering::unknown:
      return own ? "none" : "cone";
    case NatFiltering::endpoint_independent:
      return own ? "none" : "full_cone";
    case NatFiltering::address_dependent:
      return own ? "firewall" : "address_restricted";
    case NatFiltering::address_and_port_dependent:
      return own ? "firewall" : "port_restricted";
  }
  return "unknown";
}

}  // namespace p2pd::proto
