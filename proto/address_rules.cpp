#include "proto/address_rules.hpp"

#include <algorithm>
#include <array>

namespace p2pd::proto {
namespace {

// The first `bits` of an address.
struct Prefix {
  bool v6;
  std::array<std::uint8_t, 16> address;
  unsigned bits;
};

bool matches(const Endpoint& endpoint, const Prefix& prefix) {
  if (endpoint.v6 != prefix.v6) return false;
  const std::size_t whole = prefix.bits / 8;
  if (!std::equal(prefix.address.begin(), prefix.address.begin() + static_cast<std::ptrdiff_t>(whole),
                  endpoint.address.begin())) {
    return false;
  }
  const unsigned rest = prefix.bits % 8;
  return rest == 0 || ((prefix.address[whole] ^ endpoint.address[whole]) >> (8 - rest)) == 0;
}

struct Rule {
  Prefix prefix;
  CandidateRefusal refusal;
};

constexpr bool kV4 = false;
constexpr bool kV6 = true;
using enum CandidateRefusal;

// The first match decides. IANA's special-purpose registries (RFC 6890) and the fixed addresses of cloud
// metadata services, which hand out a machine's credentials to whoever can make it send a request.
// Private (RFC 1918, RFC 6598, RFC 4193), documentation and benchmark ranges are meant to work.
constexpr Rule kRules[] = {
    {{kV4, {169, 254, 169, 254}, 32}, metadata_service},   // AWS, Azure, GCP, OpenStack, Oracle
    {{kV4, {100, 100, 100, 200}, 32}, metadata_service},   // Alibaba
    {{kV4, {168, 63, 129, 16}, 32}, metadata_service},     // Azure's wire server
    {{kV4, {192, 0, 0, 192}, 32}, metadata_service},       // Oracle classic
    {{kV6, {0xfd, 0, 0x0e, 0xc2}, 32}, metadata_service},  // AWS: fd00:ec2::254 and its neighbours
    {{kV6, {0xfd, 0x20, 0, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128}, metadata_service},  // GCP
    {{kV6, {0xfd, 0, 0, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe}, 128},
     metadata_service},  // Oracle
    {{kV4, {0}, 8}, unspecified},
    {{kV4, {127}, 8}, loopback},
    {{kV4, {169, 254}, 16}, link_local},
    {{kV4, {192, 0, 0}, 24}, reserved},  // RFC 6890: IETF protocol assignments
    {{kV4, {255, 255, 255, 255}, 32}, broadcast},
    {{kV4, {224}, 4}, multicast},
    {{kV4, {240}, 4}, reserved},
    {{kV6, {}, 128}, unspecified},
    {{kV6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128}, loopback},
    {{kV6, {0}, 8}, reserved},                     // RFC 4291 4; what is left of NAT64's local-use prefix
    {{kV6, {1}, 8}, reserved},                     // RFC 6666: discard
    {{kV6, {0x20, 0x01, 0, 0}, 32}, reserved},     // RFC 4380: Teredo, an IPv4 address behind a tunnel
    {{kV6, {0x20, 0x01, 0, 0x10}, 28}, reserved},  // RFC 4843: ORCHID
    {{kV6, {0x20, 0x01, 0, 0x20}, 28}, reserved},  // RFC 7343: ORCHIDv2
    {{kV6, {0x5f, 0}, 16}, reserved},              // RFC 9602: segment routing
    {{kV6, {0xfe, 0x80}, 10}, link_local},
    {{kV6, {0xfe, 0xc0}, 10}, reserved},  // RFC 3879: site-local
    {{kV6, {0xff}, 8}, multicast},
};

}  // namespace

CandidateRefusal judge_address(const Endpoint& canonical_endpoint) {
  const auto* const rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& candidate) {
    return matches(canonical_endpoint, candidate.prefix);
  });
  return rule == std::end(kRules) ? none : rule->refusal;
}

}  // namespace p2pd::proto
