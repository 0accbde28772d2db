#include "proto/net_report.hpp"

#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

template <class Word>
void write_word(base::ByteWriter& out, Word word) {
  out.u8(static_cast<std::uint8_t>(word));
}

template <class Word>
bool read_word(base::ByteReader& reader, Word last, Word& out) {
  const std::uint8_t value = reader.u8();
  out = static_cast<Word>(value);
  return value <= static_cast<std::uint8_t>(last);
}

void write_family(base::ByteWriter& out, const FamilyReport& family) {
  write_word(out, family.address);
  write_word(out, family.udp);
  out.u8(family.outside ? 1 : 0);
  if (family.outside) write_endpoint(out, *family.outside);
  write_word(out, family.mapping);
  write_word(out, family.filtering);
  write_word(out, family.allocation);
  out.u16(static_cast<std::uint16_t>(family.allocation_step));
  write_word(out, family.hairpin);
  out.u16(family.path_mtu);
}

base::Result<FamilyReport> read_family(base::ByteReader& reader) {
  FamilyReport family;
  const base::Error bad = frame_error(FrameError::bad_value, "network report");
  if (!read_word(reader, Finding::yes, family.address) || !read_word(reader, Finding::yes, family.udp))
    return bad;
  const base::Result<bool> outside = read_flag(reader, "network report: outside");
  if (!outside) return outside.error();
  if (*outside && !reader.failed()) {
    const base::Result<Endpoint> endpoint = read_endpoint(reader, "network report: outside");
    if (!endpoint) return endpoint.error();
    family.outside = *endpoint;
  }
  if (!read_word(reader, NatMapping::address_and_port_dependent, family.mapping) ||
      !read_word(reader, NatFiltering::address_and_port_dependent, family.filtering) ||
      !read_word(reader, PortAllocation::random, family.allocation)) {
    return bad;
  }
  family.allocation_step = static_cast<std::int16_t>(reader.u16());
  if (!read_word(reader, Finding::yes, family.hairpin)) return bad;
  family.path_mtu = reader.u16();
  return family;
}

}  // namespace

void write_net_report(base::ByteWriter& out, const NetReport& report) {
  out.u8(report.direct ? 1 : 0);
  write_family(out, report.ipv4);
  write_family(out, report.ipv6);
}

base::Result<NetReport> read_net_report(base::ByteReader& reader) {
  NetReport report;
  const base::Result<bool> direct = read_flag(reader, "network report: direct");
  if (!direct) return direct.error();
  report.direct = *direct;
  for (FamilyReport* family : {&report.ipv4, &report.ipv6}) {
    base::Result<FamilyReport> read = read_family(reader);
    if (!read) return read.error();
    *family = *read;
  }
  return report;
}

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
