// An ICE candidate as the control stream carries it (RFC 8445 5.1), and the rules a remote one must pass
// before it may cause a single packet: canonicalised first (v4-mapped, v4-compatible, 6to4, NAT64 forms of an
// IPv4 address), then judged. Pure values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

// An IP address with a port; 4 or 16 bytes of address, network order.
struct Endpoint {
  bool v6 = false;
  std::array<std::uint8_t, 16> address{};  // IPv4 in the first four bytes
  std::uint16_t port = 0;

  // Numeric forms only: "192.0.2.1", "2001:db8::1".
  [[nodiscard]] static std::optional<Endpoint> from_text(std::string_view address, std::uint16_t port);
  [[nodiscard]] std::string address_text() const;
  [[nodiscard]] std::string text() const;  // "192.0.2.1:7", "[2001:db8::1]:7"
  [[nodiscard]] bool operator==(const Endpoint&) const = default;
};

enum class CandidateType : std::uint8_t { host = 0, srflx = 1, prflx = 2, relay = 3 };
[[nodiscard]] std::string_view to_string(CandidateType type);

struct Candidate {
  CandidateType type = CandidateType::host;
  std::string foundation;      // 1 to 32 ice-chars (RFC 8839 5.1)
  std::uint32_t priority = 0;  // 1 to 2^31 - 1 (RFC 8445 5.1.2.1)
  Endpoint endpoint;
  std::optional<Endpoint> related;  // base of a srflx, prflx, relay candidate

  // "host 192.0.2.1:4000"
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool operator==(const Candidate&) const = default;
};

enum class CandidateRefusal {
  none,
  malformed,
  priority_zero,
  port_zero,
  unspecified,
  loopback,
  link_local,
  multicast,
  broadcast,
  metadata_service,
  own_listener,
  reserved,
  too_many,
  duplicate,
};
[[nodiscard]] std::string_view to_string(CandidateRefusal refusal);

struct CandidatePolicy {
  bool allow_loopback = false;
  // Ports this process listens on, at any of its own addresses.
  std::vector<Endpoint> own_listeners;
};

inline constexpr std::size_t kMaxRemoteCandidates = 25;  // libnice's own limit; the rule allows 32

// The same address in its plainest form: an IPv4 address in an IPv6 disguise becomes IPv4.
[[nodiscard]] Endpoint canonical(const Endpoint& endpoint);
// Judges the canonical form; `none` means it may be used.
[[nodiscard]] CandidateRefusal judge(const Candidate& candidate, const CandidatePolicy& policy);

}  // namespace p2pd::proto
