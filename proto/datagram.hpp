// How a datagram between two peers is told apart, on every path alike, by the top two bits of its first byte;
// and the 2-byte prefix `0xC0 | length >> 8, length` in front of each QUIC packet, by which several packets
// in one buffer are split. QUIC's own first byte says nothing (it is greased). Pure values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace p2pd::proto {

enum class DatagramKind : std::uint8_t {
  stun = 0,          // RFC 8489; libnice's
  turn_channel = 1,  // RFC 8656 ChannelData; libnice's
  link = 2,          // proto/link_frames.hpp
  quic = 3,          // one or more prefixed QUIC packets
};
// Empty datagrams have no kind.
[[nodiscard]] std::optional<DatagramKind> datagram_kind(base::ByteView datagram);

inline constexpr std::size_t kQuicPrefixSize = 2;
inline constexpr std::size_t kMaxQuicPacket = 0x3fff;

// `packet_size`: 1 to kMaxQuicPacket (asserted).
[[nodiscard]] std::array<std::uint8_t, kQuicPrefixSize> quic_prefix(std::size_t packet_size);

// Splits a datagram of kind quic.
//   QuicPackets packets(datagram);
//   while (const auto packet = packets.next()) connection.receive(*packet, now);
class QuicPackets {
 public:
  explicit QuicPackets(base::ByteView datagram) : rest_(datagram) {}

  // The next packet, never empty; nothing at the end and at the first prefix that makes no sense.
  [[nodiscard]] std::optional<base::ByteView> next();
  // What next() could not split, for instance a Link frame that was glued behind; empty when all was well.
  [[nodiscard]] base::ByteView rest() const { return rest_; }

 private:
  base::ByteView rest_;
};

}  // namespace p2pd::proto
