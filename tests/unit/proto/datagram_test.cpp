#include "proto/datagram.hpp"

#include <random>

#include <gtest/gtest.h>

namespace p2pd::proto {
namespace {

base::Bytes prefixed(std::size_t size, std::uint8_t fill) {
  const auto prefix = quic_prefix(size);
  base::Bytes out(prefix.begin(), prefix.end());
  out.insert(out.end(), size, fill);
  return out;
}

TEST(Datagram, IsToldByItsTopTwoBits) {
  for (int byte = 0; byte < 256; ++byte) {
    const base::Bytes datagram{static_cast<std::uint8_t>(byte), 0};
    const auto expected = byte < 0x40   ? DatagramKind::stun
                          : byte < 0x80 ? DatagramKind::turn_channel
                          : byte < 0xc0 ? DatagramKind::link
                                        : DatagramKind::quic;
    EXPECT_EQ(datagram_kind(datagram), expected) << byte;
  }
  EXPECT_FALSE(datagram_kind({}));
}

TEST(Datagram, PrefixHoldsFourteenBits) {
  EXPECT_EQ(quic_prefix(1), (std::array<std::uint8_t, 2>{0xc0, 0x01}));
  EXPECT_EQ(quic_prefix(1200), (std::array<std::uint8_t, 2>{0xc4, 0xb0}));
  EXPECT_EQ(quic_prefix(16'383), (std::array<std::uint8_t, 2>{0xff, 0xff}));
}

TEST(Datagram, SplitsIntoItsPackets) {
  base::Bytes datagram = prefixed(1200, 1);
  for (const auto& more : {prefixed(1, 2), prefixed(16'383, 3)}) {
    datagram.insert(datagram.end(), more.begin(), more.end());
  }
  QuicPackets packets(datagram);
  for (const auto& [size, fill] : {std::pair(1200, 1), std::pair(1, 2), std::pair(16'383, 3)}) {
    const auto packet = packets.next();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->size(), static_cast<std::size_t>(size));
    EXPECT_EQ(packet->front(), fill);
    EXPECT_EQ(packet->back(), fill);
  }
  EXPECT_FALSE(packets.next());
  EXPECT_TRUE(packets.rest().empty());
}

TEST(Datagram, StopsAtWhatIsNoPacket) {
  const base::Bytes good = prefixed(3, 7);
  for (const base::Bytes& tail :
       {base::Bytes{0xc0}, base::Bytes{0xc0, 0x00}, base::Bytes{0xc0, 0x00, 1}, base::Bytes{0xc0, 0x02, 1},
        base::Bytes{0x80, 0x01, 1}, base::Bytes{0x00, 0x01, 1}, base::Bytes{0xff, 0xff, 1}}) {
    base::Bytes datagram = good;
    datagram.insert(datagram.end(), tail.begin(), tail.end());
    QuicPackets packets(datagram);
    EXPECT_TRUE(packets.next());
    EXPECT_FALSE(packets.next());
    EXPECT_FALSE(packets.next());
    EXPECT_EQ(packets.rest().size(), tail.size());
  }
}

TEST(Datagram, IsCutAtEveryLengthWithoutReadingPastIt) {
  const base::Bytes whole = prefixed(40, 1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(QuicPackets(cut).next());
  }
}

TEST(Datagram, OfNoiseIsSplitWithinItsBounds) {
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    base::Bytes bytes(random() % 100);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? 0xc0 : random() % 16);
    QuicPackets packets(bytes);
    std::size_t total = 0;
    while (const auto packet = packets.next()) total += packet->size() + kQuicPrefixSize;
    EXPECT_EQ(total + packets.rest().size(), bytes.size());
  }
}

}  // namespace
}  // namespace p2pd::proto
