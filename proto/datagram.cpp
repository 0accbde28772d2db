#include "proto/datagram.hpp"

#include "base/assert.hpp"

namespace p2pd::proto {

std::optional<DatagramKind> datagram_kind(base::ByteView datagram) {
  if (datagram.empty()) return std::nullopt;
  return static_cast<DatagramKind>(datagram[0] >> 6);
}

std::array<std::uint8_t, kQuicPrefixSize> quic_prefix(std::size_t packet_size) {
  P2PD_ASSERT(packet_size >= 1 && packet_size <= kMaxQuicPacket);
  return {static_cast<std::uint8_t>(0xc0 | (packet_size >> 8)), static_cast<std::uint8_t>(packet_size)};
}

std::optional<base::ByteView> QuicPackets::next() {
  if (rest_.size() <= kQuicPrefixSize || (rest_[0] & 0xc0) != 0xc0) return std::nullopt;
  const std::size_t size = static_cast<std::size_t>(rest_[0] & 0x3f) << 8 | rest_[1];
  if (size == 0 || size > rest_.size() - kQuicPrefixSize) return std::nullopt;
  const base::ByteView packet = rest_.subspan(kQuicPrefixSize, size);
  rest_ = rest_.subspan(kQuicPrefixSize + size);
  return packet;
}

}  // namespace p2pd::proto
