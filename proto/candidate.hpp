// An ICE candidate as the control stream carries it (RFC 8445 5.1), and the rules a remote one must pass
// before it may cause a single packet: canonicalised first (every IPv6 disguise of an IPv4 address is taken
// off), then judged. A RemoteCandidates belongs to one connection and its thread; the rest are pure values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace p2pd::proto {

inline constexpr std::size_t kMaxFoundation = 32;  // characters, RFC 8839 5.1

// An IP address with a port; 4 or 16 bytes of address, network order.
struct Endpoint {
  bool v6 = false;
  std::array<std::uint8_t, 16> address{};  // IPv4 in the first four bytes
  std::uint16_t port = 0;

  // Numeric forms only: "192.0.2.1", "2001:db8::1".
  [[nodiscard]] static std::optional<Endpoint> from_text(std::string_view address, std::uint16_t port);
  [[nodiscard]] std::string address_text() const;
  [[nodiscard]] std::string text() const;  // "192.0.2.1:7", "[2001:db8::1]:7"
  // Whatever the port.
  [[nodiscard]] bool same_address(const Endpoint& other) const {
    return v6 == other.v6 && address == other.address;
  }
  [[nodiscard]] bool operator==(const Endpoint&) const = default;
};

enum class CandidateType : std::uint8_t { host = 0, srflx = 1, prflx = 2, relay = 3 };
[[nodiscard]] std::string_view to_string(CandidateType type);

struct Candidate {
  CandidateType type = CandidateType::host;
  std::string foundation;      // 1 to 32 ice-chars (RFC 8839 5.1)
  std::uint32_t priority = 0;  // 1 to 2^31 - 1 (RFC 8445 5.1.2.1)
  Endpoint endpoint;
  std::optional<Endpoint> related{};  // base of a srflx, prflx, relay candidate

  // "host 192.0.2.1:4000"
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool operator==(const Candidate&) const = default;
};

enum class CandidateRefusal {
  none,
  malformed,
  priority_zero,
  priority_too_high,
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
  // Loopback candidates are accepted too; nothing else changes.
  bool allow_loopback = false;
  // Where this process listens for something else than ICE. A listener at the unspecified address must be
  // listed once for each address of this machine.
  std::vector<Endpoint> own_listeners;
};

inline constexpr std::size_t kMaxRemoteCandidates =
    25;  // a generation; libnice's own limit, the rule allows 32

// The same address in its plainest form. These become IPv4: v4-mapped (RFC 4291 2.5.5.2), v4-compatible
// (2.5.5.1), v4-translated (RFC 2765), 6to4 (RFC 3056), NAT64 (RFC 6052, and the common /96 of RFC 8215's
// local-use prefix), ISATAP (RFC 5214). The port stays.
[[nodiscard]] Endpoint canonical(const Endpoint& endpoint);
// Judges the canonical form; `none` means it may be used. The related address is only shown, never sent to,
// so it is not judged.
[[nodiscard]] CandidateRefusal judge(const Candidate& candidate, const CandidatePolicy& policy);

// The remote candidates of one ICE generation at a time: each is canonicalised, judged, compared with those
// accepted before it, and counted.
class RemoteCandidates {
 public:
  struct Verdict {
    CandidateRefusal refusal = CandidateRefusal::none;
    Candidate candidate;  // canonical, whether accepted or not
  };

  explicit RemoteCandidates(CandidatePolicy policy) : policy_(std::move(policy)) {}

  // Forgets the candidates of the generation before.
  void start_generation() { accepted_.clear(); }
  [[nodiscard]] Verdict offer(const Candidate& candidate);
  [[nodiscard]] const std::vector<Candidate>& accepted() const { return accepted_; }

 private:
  CandidatePolicy policy_;
  std::vector<Candidate> accepted_;
};

}  // namespace p2pd::proto
