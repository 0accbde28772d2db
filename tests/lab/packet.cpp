#include "tests/lab/packet.hpp"

#include <netinet/in.h>

namespace p2pd::lab {
namespace {

constexpr std::size_t kSmallestHeader = 20;
constexpr std::size_t kTtl = 8;
constexpr std::size_t kHeaderChecksum = 10;
// Of the transport header.
constexpr std::size_t kUdpChecksum = 6;
constexpr std::size_t kTcpChecksum = 16;

}  // namespace

std::optional<Packet> Packet::parse(std::span<std::uint8_t> bytes) {
  if (bytes.size() < kSmallestHeader || bytes[0] >> 4 != 4) return std::nullopt;
  const std::size_t header = (bytes[0] & 0x0fU) * 4;
  const bool udp = bytes[9] == IPPROTO_UDP;
  if (header < kSmallestHeader || (!udp && bytes[9] != IPPROTO_TCP)) return std::nullopt;
  if (bytes.size() < header + (udp ? 8 : kSmallestHeader)) return std::nullopt;
  const bool fragment = (bytes[6] & 0x3fU) != 0 || bytes[7] != 0;  // more to come, or an offset
  if (fragment) return std::nullopt;
  return Packet(bytes, header);
}

bool Packet::take_hop() {
  if (bytes_[kTtl] <= 1) return false;
  const std::uint16_t before = word16(kTtl);
  --bytes_[kTtl];
  adjust(kHeaderChecksum, before, word16(kTtl));
  return true;
}

std::uint16_t Packet::word16(std::size_t at) const {
  return static_cast<std::uint16_t>(bytes_[at] << 8 | bytes_[at + 1]);
}

std::uint32_t Packet::word32(std::size_t at) const {
  return std::uint32_t{word16(at)} << 16 | word16(at + 2);
}

void Packet::put16(std::size_t at, std::uint16_t value, bool in_header) {
  const std::uint16_t before = word16(at);
  bytes_[at] = static_cast<std::uint8_t>(value >> 8);
  bytes_[at + 1] = static_cast<std::uint8_t>(value);
  if (in_header) adjust(kHeaderChecksum, before, value);
  // The transport checksum covers the addresses too (the pseudo-header). UDP's may be absent: zero.
  if (protocol() == IPPROTO_TCP) {
    adjust(header_ + kTcpChecksum, before, value);
  } else if (word16(header_ + kUdpChecksum) != 0) {
    adjust(header_ + kUdpChecksum, before, value);
    if (word16(header_ + kUdpChecksum) == 0) {
      bytes_[header_ + kUdpChecksum] = 0xff;
      bytes_[header_ + kUdpChecksum + 1] = 0xff;
    }
  }
}

void Packet::set(std::size_t ip_at, std::size_t port_at, const Address& address) {
  put16(ip_at, static_cast<std::uint16_t>(address.ip >> 16), true);
  put16(ip_at + 2, static_cast<std::uint16_t>(address.ip), true);
  put16(port_at, address.port, false);
}

// RFC 1624 3: HC' = ~(~HC + ~m + m').
void Packet::adjust(std::size_t checksum_at, std::uint16_t before, std::uint16_t after) {
  std::uint32_t sum = static_cast<std::uint16_t>(~word16(checksum_at));
  sum += static_cast<std::uint16_t>(~before);
  sum += after;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  const auto checksum = static_cast<std::uint16_t>(~sum);
  bytes_[checksum_at] = static_cast<std::uint8_t>(checksum >> 8);
  bytes_[checksum_at + 1] = static_cast<std::uint8_t>(checksum);
}

}  // namespace p2pd::lab
