// An IPv4 packet in a buffer, to be rewritten in place: addresses and ports of UDP and TCP with their
// checksums kept right (RFC 1624). Borrows the bytes; a plain value, any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace p2pd::lab {

struct Address {
  std::uint32_t ip = 0;  // host order
  std::uint16_t port = 0;
  [[nodiscard]] auto operator<=>(const Address&) const = default;
};

class Packet {
 public:
  // Nothing for what a NAT cannot translate: IPv6, fragments, other protocols than UDP and TCP, headers cut
  // short.
  [[nodiscard]] static std::optional<Packet> parse(std::span<std::uint8_t> bytes);

  [[nodiscard]] std::uint8_t protocol() const { return bytes_[9]; }
  [[nodiscard]] Address source() const { return {word32(12), word16(header_)}; }
  [[nodiscard]] Address destination() const { return {word32(16), word16(header_ + 2)}; }
  void set_source(const Address& address) { set(12, header_, address); }
  void set_destination(const Address& address) { set(16, header_ + 2, address); }
  // One hop less to live; false when this was the last.
  [[nodiscard]] bool take_hop();

 private:
  Packet(std::span<std::uint8_t> bytes, std::size_t header) : bytes_(bytes), header_(header) {}

  [[nodiscard]] std::uint16_t word16(std::size_t at) const;
  [[nodiscard]] std::uint32_t word32(std::size_t at) const;
  void put16(std::size_t at, std::uint16_t value, bool in_header);
  void set(std::size_t ip_at, std::size_t port_at, const Address& address);
  void adjust(std::size_t checksum_at, std::uint16_t before, std::uint16_t after);

  std::span<std::uint8_t> bytes_;
  std::size_t header_;  // its length in bytes: where the transport header begins
};

}  // namespace p2pd::lab
