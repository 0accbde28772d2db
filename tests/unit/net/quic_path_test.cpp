// What a connection makes of the path below it: packet sizes, outages, the kick, altered packets.
#include <gtest/gtest.h>

#include "net/quic_connection.hpp"
#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

TEST(QuicPath, NeverExceedsTheBufferAndUsesAllOfIt) {
  for (const std::size_t size : {1'200u, 1'280u, 1'400u, 1'452u, 8'900u, 16'000u, 20'000u}) {
    QuicPair pair(size);
    pair.network.packet_size = size;
    pair.network.loss = 0.01;
    pair.client.watch = [&](ByteView packet) {
      EXPECT_TRUE((packet[0] & 0x80) == 0 || packet.size() <= 1'200);
    };
    ASSERT_TRUE(pair.connect());
    EXPECT_LE(std::max(pair.client.largest, pair.server.largest), 1'200u);
    const Bytes data = pattern(1'000'000, size);
    Sender sender(pair.client, data);
    ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 60s));
    EXPECT_EQ(pair.server.events.streams[sender.id()].data, data);
    EXPECT_EQ(pair.client.largest, std::min(size, kMaxDatagram));
  }
}

TEST(QuicPath, ChangesPacketSizeFromOnePacketToTheNext) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes data = pattern(3'000'000, 9);
  Sender sender(pair.client, data);
  std::mt19937 random(3);
  while (!pair.server.events.streams[sender.id()].fin) {
    pair.network.packet_size = 1'200 + random() % 14'000;
    pair.client.largest = 0;
    pair.network.loss = 0.02;
    const std::size_t limit = pair.network.packet_size;
    ASSERT_TRUE(pair.run_until([&] { return true; }, 1s));
    pair.run(5ms);
    EXPECT_LE(pair.client.largest, limit);
    ASSERT_LT(pair.now.time_since_epoch(), 2h);
  }
  EXPECT_EQ(pair.server.events.streams[sender.id()].data, data);
}

TEST(QuicPath, FindsTheRateOfABottleneckWithAShortQueue) {
  // A queue of one bandwidth-delay product, or 50 kB.
  for (const std::uint64_t rate : {250'000u, 1'250'000u, 12'500'000u}) {
    for (const auto delay : {5ms, 25ms}) {
      QuicPair pair;
      const auto product =
          static_cast<std::size_t>(static_cast<double>(rate) * 2 * base::to_ms(delay) / 1'000);
      pair.network = {.delay = delay,
                      .bytes_per_second = rate,
                      .queue = std::max<std::size_t>(product, 50'000),
                      .packet_size = 1'400};
      pair.server.events.keep_data = false;
      ASSERT_TRUE(pair.connect());
      const Bytes data = pattern(std::min<std::size_t>(8 * rate, 10'000'000), 1);
      Sender sender(pair.client, data);
      const TimePoint start = pair.now;
      ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 60s));
      const double at_best = 1'000 * static_cast<double>(data.size()) / static_cast<double>(rate);
      EXPECT_LT(base::to_ms(pair.now - start), 1.2 * at_best + 100) << rate;  // and the start
      EXPECT_LT(static_cast<double>(pair.client.bytes) / static_cast<double>(data.size()), 1.6) << rate;
    }
  }
}

TEST(QuicPath, OutlivesALongBlackout) {
  for (const auto outage : {9500ms, 60000ms, 600000ms}) {
    QuicPair pair;
    ASSERT_TRUE(pair.connect());
    const Bytes data = pattern(2'000'000, 1);
    Sender sender(pair.client, data);
    pair.run(60ms);
    pair.network.cut = true;
    pair.run(outage);
    EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty());
    pair.network.cut = false;
    ASSERT_TRUE(
        pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 2 * outage + 10s));
    EXPECT_EQ(pair.server.events.streams[sender.id()].data, data);
  }
}

TEST(QuicPath, SendsAgainAtOnceWhenKicked) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.run(1s);
  pair.network.cut = true;
  pair.client.connection->write(id, base::as_bytes("lost on the old path"));
  pair.run(9s);
  EXPECT_GT(pair.client.connection->deadline(), pair.now + 500ms);
  pair.network.cut = false;
  const std::size_t before = pair.client.packets;
  pair.client.connection->kick(pair.now);
  pair.flush(pair.client);
  EXPECT_GE(pair.client.packets - before, 1u);
  ASSERT_TRUE(
      pair.run_until([&] { return pair.server.events.streams.count(id) > 0; }, pair.network.delay + 1ms));
  EXPECT_EQ(base::as_text(pair.server.events.streams[id].data), "lost on the old path");
}

TEST(QuicPath, RecoversABulkTransferByAKickAtEachEnd) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes data = pattern(4'000'000, 1);
  Sender sender(pair.client, data);
  for (int flip = 0; flip < 5; ++flip) {
    pair.run(80ms);
    const std::size_t got = pair.server.events.streams[sender.id()].data.size();
    pair.network.cut = true;
    pair.run(1500ms);
    pair.network.cut = false;
    pair.client.connection->kick(pair.now);
    pair.server.connection->kick(pair.now);
    pair.run(4 * pair.network.delay + 5ms);
    EXPECT_GT(pair.server.events.streams[sender.id()].data.size(), got);
  }
  ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 60s));
  EXPECT_EQ(pair.server.events.streams[sender.id()].data, data);
}

TEST(QuicPath, DoesNothingWhenKickedWithNothingInFlight) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  pair.run(5s);
  const std::size_t before = pair.client.packets;
  pair.client.connection->kick(pair.now);
  pair.flush(pair.client);
  EXPECT_EQ(pair.client.packets, before);
}

TEST(QuicPath, SurvivesKicksWithoutEnd) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.run(1s);
  pair.network.cut = true;
  pair.client.connection->write(id, base::as_bytes("x"));
  for (int i = 0; i < 12; ++i) {
    pair.run(750ms);
    pair.client.connection->kick(pair.now);
    pair.client.connection->kick(pair.now);
  }
  pair.network.cut = false;
  pair.client.connection->kick(pair.now);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams.count(id) > 0; }, 2s));
  pair.network.cut = true;
  for (int i = 0; i < 2'000; ++i) {
    pair.run(1s);
    pair.client.connection->kick(pair.now);
  }
  EXPECT_TRUE(pair.client.events.ends.empty());
}

TEST(QuicPath, TakesNothingFromGarbageOrAlteredPackets) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    QuicPair pair(seed);
    std::mt19937_64 random(seed);
    // Beside each real packet comes an altered one.
    const auto spoil = [&](QuicPair::End& to) {
      return [&](ByteView packet) {
        if (!to.connection) return;
        Bytes altered(packet.begin(), packet.end());
        const std::size_t where = 1 + random() % (altered.size() - 1);
        if (random() % 4 == 0) {
          altered.resize(where);
        } else {
          altered[where] = static_cast<std::uint8_t>(altered[where] ^ (1u << (random() % 8)));
        }
        // Its Initial packets' key is no secret, but this is not how to use it.
        EXPECT_FALSE(to.connection->receive(altered, pair.now) && altered.size() == packet.size() &&
                     (packet[0] & 0x80) == 0);
        (void)to.connection->receive(pattern(1 + random() % 1'500, random()), pair.now);
      };
    };
    pair.client.watch = spoil(pair.server);
    pair.server.watch = spoil(pair.client);
    ASSERT_TRUE(pair.connect());
    const Bytes data = pattern(300'000, seed);
    Sender sender(pair.client, data);
    ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 60s));
    EXPECT_EQ(pair.server.events.streams[sender.id()].data, data);
    EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty());
  }
}

TEST(QuicPath, CallsOnlyTheOtherEndsPacketsAuthentic) {
  QuicPair pair;
  Bytes sent;
  pair.client.watch = [&](ByteView packet) { sent.assign(packet.begin(), packet.end()); };
  pair.dial();
  EXPECT_FALSE(pair.inject(pair.client, sent));  // its own, mirrored
  ASSERT_TRUE(
      pair.run_until([&] { return pair.client.events.confirmed && pair.server.events.confirmed; }, 5s));
  pair.run(1s);
  pair.network.cut = true;
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, base::as_bytes("x"));
  pair.flush(pair.client);
  EXPECT_FALSE(pair.inject(pair.client, sent));
  Bytes altered = sent;
  altered.back() ^= 1;
  EXPECT_FALSE(pair.inject(pair.server, altered));
  EXPECT_TRUE(pair.inject(pair.server, sent));
}

}  // namespace
}  // namespace p2pd::net::test
