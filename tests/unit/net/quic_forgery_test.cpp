// Handshake packets that someone on the path can make without any key, and headers of all kinds.
#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "net/quic_connection.hpp"
#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

// Dials; the packet reaches the server in time.
Bytes first_packet(QuicPair& pair) {
  Bytes first;
  pair.client.watch = [&](ByteView packet) {
    if (first.empty()) first.assign(packet.begin(), packet.end());
  };
  pair.dial();
  pair.client.watch = [](ByteView) {};
  return first;
}

ByteView destination(ByteView initial) { return initial.subspan(6, 8); }
ByteView source(ByteView initial) { return initial.subspan(15, 8); }

ngtcp2_cid connection_id(ByteView bytes) {
  ngtcp2_cid id{};
  id.datalen = bytes.size();
  std::copy(bytes.begin(), bytes.end(), id.data);
  return id;
}

TEST(QuicForgery, IgnoresVersionNegotiationInTheHandshake) {
  QuicPair pair;
  const Bytes first = first_packet(pair);
  Bytes negotiation(5, 0);  // version 0
  negotiation[0] = 0xc0;
  for (const ByteView id : {source(first), destination(first)}) {
    negotiation.push_back(8);
    negotiation.insert(negotiation.end(), id.begin(), id.end());
  }
  negotiation.insert(negotiation.end(), {0x6b, 0x33, 0x43, 0xcf});
  EXPECT_FALSE(pair.inject(pair.client, negotiation));
  Bytes behind = first;  // in the same datagram as something else
  behind.insert(behind.end(), negotiation.begin(), negotiation.end());
  EXPECT_FALSE(pair.inject(pair.client, behind));
  EXPECT_TRUE(pair.client.events.ends.empty());
  EXPECT_TRUE(
      pair.run_until([&] { return pair.client.events.confirmed && pair.server.events.confirmed; }, 5s));
}

TEST(QuicForgery, IgnoresARetryThatAnyoneCanMake) {
  QuicPair pair;
  const Bytes first = first_packet(pair);
  const ngtcp2_cid to = connection_id(source(first));
  const ngtcp2_cid from = connection_id(pattern(8, 1));
  const ngtcp2_cid original = connection_id(destination(first));
  const Bytes token = pattern(32, 2);
  Bytes retry(200);
  const ngtcp2_ssize size = ngtcp2_crypto_write_retry(retry.data(), retry.size(), NGTCP2_PROTO_VER_V1, &to,
                                                      &from, &original, token.data(), token.size());
  ASSERT_GT(size, 0);
  retry.resize(static_cast<std::size_t>(size));
  const std::size_t before = pair.client.packets;
  EXPECT_FALSE(pair.inject(pair.client, retry));
  EXPECT_EQ(pair.client.packets, before);
  EXPECT_TRUE(
      pair.run_until([&] { return pair.client.events.confirmed && pair.server.events.confirmed; }, 5s));
}

TEST(QuicForgery, RefusesToAcceptWhatIsNoInitialPacket) {
  QuicPair pair;
  const Bytes first = first_packet(pair);
  const auto accept = [&](ByteView packet) {
    const auto made = QuicConnection::accept(pair.server.config, pair.server.events, packet, pair.now);
    return made.has_value();
  };
  EXPECT_TRUE(accept(first));
  EXPECT_FALSE(accept({}));
  EXPECT_FALSE(accept(ByteView(first).first(1'199)));
  for (const auto& [at, value] : std::map<std::size_t, int>{{0, 0x40}, {0, 0xe0}, {4, 2}, {5, 21}, {5, 7}}) {
    Bytes wrong = first;
    wrong[at] = static_cast<std::uint8_t>(value);
    EXPECT_FALSE(accept(wrong)) << at;
  }
}

TEST(QuicForgery, EndsAnAcceptedConnectionWhoseFirstPacketIsForged) {
  QuicPair pair;
  Bytes first = first_packet(pair);
  first.back() ^= 1;
  auto connection = QuicConnection::accept(pair.server.config, pair.server.events, first, pair.now).value();
  EXPECT_FALSE(connection->receive(first, pair.now));
  ASSERT_EQ(pair.server.events.ends.size(), 1u);
  Bytes buffer(1'200);
  EXPECT_EQ(connection->write_packet(buffer, pair.now), 0u);
}

TEST(QuicForgery, ParsesHeadersOfAnyBytesWithoutTrust) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    Bytes packet = pattern(random() % 64, random());
    if (packet.size() > 5 && random() % 2 == 0) {
      std::copy_n(Bytes{0, 0, 0, 1, 8}.begin(), 5, packet.begin() + 1);
    }
    const auto header = parse_packet_header(packet);
    if (!header) continue;
    EXPECT_EQ(header->destination.size(), kConnectionIdSize);
    EXPECT_GE(header->destination.data(), packet.data());
    EXPECT_LE(header->destination.data() + 8, packet.data() + packet.size());
    EXPECT_TRUE(!header->initial || (packet[0] & 0xb0) == 0x80);
  }
  EXPECT_FALSE(parse_packet_header({}));
  EXPECT_FALSE(parse_packet_header(Bytes(8, 0x40)));
  EXPECT_TRUE(parse_packet_header(Bytes(9, 0x40)));
  EXPECT_TRUE(parse_packet_header(Bytes(9, 0x00)));  // the fixed bit is greased
}

}  // namespace
}  // namespace p2pd::net::test
