#include <cstddef>
#include <cstdint>

#include "proto/datagram.hpp"
#include "tests/fuzz/property.hpp"

using namespace p2pd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  P2PD_ASSERT(proto::datagram_kind(input).has_value() == !input.empty());
  // Prefixes and packets put together again, and what was not split, are the input.
  base::Bytes again;
  proto::QuicPackets packets(input);
  while (const auto packet = packets.next()) {
    P2PD_ASSERT(!packet->empty());
    const auto prefix = proto::quic_prefix(packet->size());
    again.insert(again.end(), prefix.begin(), prefix.end());
    again.insert(again.end(), packet->begin(), packet->end());
  }
  again.insert(again.end(), packets.rest().begin(), packets.rest().end());
  P2PD_ASSERT(std::ranges::equal(again, input));
  return 0;
}
