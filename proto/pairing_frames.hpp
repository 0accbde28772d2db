// What is said while an invitation is taken up: the knock, by which a stranger asks through a relay to be let
// in for one handshake, and the frames on the one stream of the connection that follows (u16 length of what
// follows, u8 type, body). Pure values; the deframer belongs to its stream's reader.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "proto/deframer.hpp"
#include "proto/ticket.hpp"

namespace p2pd::proto {

inline constexpr std::uint8_t kKnockVersion = 1;
inline constexpr std::uint8_t kPairingVersion = 1;
inline constexpr std::size_t kMaxPairingRelays = 3;
inline constexpr std::size_t kMaxPairingFrame = 2 + kMaxPairingRelays * (2 + 512) + 1;

// The payload of a relay's knock frame: version, invitation, connection ID, MAC; 49 bytes.
struct Knock {
  InvitationId invitation{};
  std::array<std::uint8_t, 8> connection{};  // that the joiner's first Initial packet goes to
  std::array<std::uint8_t, 32> mac{};        // HMAC-SHA256(secret, knock_text())
  bool operator==(const Knock&) const = default;
};
[[nodiscard]] base::Bytes encode(const Knock& knock);
[[nodiscard]] base::Result<Knock> parse_knock(base::ByteView payload);
// What the MAC is made over; `knock.mac` is not in it.
[[nodiscard]] base::Bytes knock_text(const Knock& knock, const base::PeerId& inviter,
                                     const base::PeerId& joiner, const base::PeerId& relay);

enum class PairingRefusal : std::uint8_t {
  used = 1,     // by another machine, or by this one that was removed since
  revoked = 2,  // by who made it
  expired = 3,
  no_room = 4,  // the inviter lists as many peers as it can
};

struct PairingAsk {                 // 1, joiner to inviter
  std::vector<std::string> relays;  // the joiner is reached by, best first; at most kMaxPairingRelays
  bool operator==(const PairingAsk&) const = default;
};
struct PairingPaired {              // 2, inviter to joiner: it is on the inviter's disk
  std::vector<std::string> relays;  // the inviter is reached by
  bool operator==(const PairingPaired&) const = default;
};
struct PairingRefused {  // 3, inviter to joiner
  PairingRefusal reason = PairingRefusal::used;
  bool operator==(const PairingRefused&) const = default;
};
using PairingFrame = std::variant<PairingAsk, PairingPaired, PairingRefused>;

// Whole frames, length included. Fields outside their ranges are the caller's bug and assert.
[[nodiscard]] base::Bytes encode(const PairingFrame& frame);
// `frame` is type and body, without the length.
[[nodiscard]] base::Result<PairingFrame> parse_pairing_frame(base::ByteView frame);

using PairingDeframer =
    FrameReader<PairingFrame, &parse_pairing_frame, Deframer::LengthField::u16, kMaxPairingFrame>;

}  // namespace p2pd::proto
