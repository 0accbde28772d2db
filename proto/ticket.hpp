// The ticket of an invitation as people pass it on: one word, "p2pd1" and base32 (RFC 4648 section 6, lower
// case, no padding) of who invites, where, until when, and a secret that works once. A check value in it
// tells a ticket that was cut or mistyped from a good one; it protects against mistakes only. Who holds a
// ticket can use it: it never goes into a log or an event. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

using InvitationId = std::array<std::uint8_t, 8>;       // random; names the invitation, no secret
using InvitationSecret = std::array<std::uint8_t, 16>;  // random

inline constexpr std::string_view kTicketPrefix = "p2pd1";
inline constexpr std::size_t kMaxTicketRelays = 3;
inline constexpr std::size_t kMaxTicketUrl = 255;
inline constexpr std::size_t kMaxTicketText = 1'400;

struct Ticket {
  base::PeerId inviter;
  InvitationId id{};
  InvitationSecret secret{};
  base::WallTime expires{};         // whole seconds, 1970 to 2106
  std::vector<std::string> relays;  // 1 to kMaxTicketRelays URLs of printable ASCII without blanks
  bool operator==(const Ticket&) const = default;
};

// Fields outside their ranges are the caller's bug and assert; a fraction of a second is cut off.
[[nodiscard]] std::string encode(const Ticket& ticket);
// Errors (FrameError), each with a phrase about what is wrong: bad_value (no ticket, the check value does not
// match, a field out of range), version (of a newer program), too_large, truncated, trailing_bytes.
[[nodiscard]] base::Result<Ticket> parse_ticket(std::string_view text);
// Without prefix, base32 and check value: what they protect.
[[nodiscard]] base::Bytes encode_ticket_payload(const Ticket& ticket);
[[nodiscard]] base::Result<Ticket> parse_ticket_payload(base::ByteView payload);
// May stand in Ticket::relays.
[[nodiscard]] bool is_ticket_url(std::string_view url);

}  // namespace p2pd::proto
