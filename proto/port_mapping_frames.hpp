// What is said to a gateway that maps ports: PCP (RFC 6887) and NAT-PMP (RFC 6886), which share UDP port
// 5351, for UDP ports only; and what a UPnP gateway answers to a search (UDA 1.1, section 1.3.3). The gateway
// is whoever answers there, so its words are parsed as strictly as a stranger's. Pure values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/candidate.hpp"

namespace p2pd::proto {

inline constexpr std::uint16_t kPortMappingPort = 5351;
inline constexpr std::size_t kMaxPortMappingReply = 1100;  // RFC 6887 section 7

using MappingNonce = std::array<std::uint8_t, 12>;

// RFC 6887 11.1, RFC 6886 3.3. A lifetime of 0 deletes the mapping.
struct PortMappingRequest {
  MappingNonce nonce{};        // PCP; the same for a mapping's whole life
  std::uint32_t lifetime = 0;  // seconds
  std::uint16_t internal_port = 0;
  Endpoint external;  // suggested; port 0: any. NAT-PMP has no address
};

// `client` is the address the request is sent from.
[[nodiscard]] base::Bytes encode_pcp_map(const Endpoint& client, const PortMappingRequest& request);
// RFC 6887 14.1: asks only for the gateway's epoch, to learn whether it speaks PCP.
[[nodiscard]] base::Bytes encode_pcp_announce(const Endpoint& client);
[[nodiscard]] base::Bytes encode_natpmp_map(const PortMappingRequest& request);
[[nodiscard]] base::Bytes encode_natpmp_address();

struct PortMappingReply {
  enum class Kind { pcp_map, pcp_other, natpmp_map, natpmp_address, natpmp_other };

  Kind kind = Kind::natpmp_other;
  std::uint16_t result = 0;  // 0: success. Of PCP: RFC 6887 7.4; of NAT-PMP: RFC 6886 3.5
  std::uint32_t epoch = 0;   // seconds since the gateway's table was empty
  // Of a map reply. Of a PCP failure the lifetime is how long it will last.
  std::uint32_t lifetime = 0;
  MappingNonce nonce{};
  std::uint16_t internal_port = 0;
  // Of pcp_map with result 0: address and port, canonical. natpmp_map: the port. natpmp_address: the address.
  Endpoint external;
};

// Results that say: not this version of the protocol.
[[nodiscard]] bool is_version_refusal(const PortMappingReply& reply);
// "out of resources", for people.
[[nodiscard]] std::string_view result_text(const PortMappingReply& reply);

// Errors (FrameError): cut short, over the limit, not a reply, a version that is neither, another transport
// than UDP.
[[nodiscard]] base::Result<PortMappingReply> parse_port_mapping_reply(base::ByteView datagram);

// Whether a gateway whose epoch was `before` and is `now`, `elapsed` seconds later, has lost its mappings in
// between (RFC 6887 8.5).
[[nodiscard]] bool epoch_says_lost(std::uint32_t before, std::uint32_t now, std::uint32_t elapsed);

// An HTTP URL of a gateway: a literal address, for names are not looked up for it.
struct GatewayUrl {
  Endpoint endpoint;
  std::string target;  // begins with '/', printable, at most 256 characters

  // "http://192.168.1.1:5000/root.xml"; the port is 80 where it is missing.
  [[nodiscard]] static std::optional<GatewayUrl> parse(std::string_view text);
  [[nodiscard]] bool operator==(const GatewayUrl&) const = default;
};

// The datagram that looks for gateways, to be sent to 239.255.255.250:1900 (UDA 1.1, 1.3.2).
[[nodiscard]] std::string ssdp_search(std::string_view target);
// Where the description of an answering gateway is. Nothing: no answer to a search, no gateway, or no URL as
// above.
[[nodiscard]] std::optional<GatewayUrl> parse_ssdp_reply(std::string_view datagram);

}  // namespace p2pd::proto
