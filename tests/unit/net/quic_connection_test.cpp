#include "net/quic_connection.hpp"

#include <gtest/gtest.h>

#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

Bytes pattern(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Bytes data(size);
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(generator());
  return data;
}

// Writes `data` to a new stream, never holding more than 1 MiB unacknowledged, and finishes it.
class Sender {
 public:
  Sender(QuicPair::End& end, Bytes data) : end_(end), data_(std::move(data)) {
    id_ = end.connection->open_stream().value();
    end.events.when_acknowledged = [this](StreamId) { pump(); };
    pump();
  }
  void pump() {
    while (at_ < data_.size() && end_.connection->unacknowledged(id_) < 1024 * 1024) {
      const std::size_t count = std::min<std::size_t>(60'000, data_.size() - at_);
      end_.connection->write(id_, ByteView(data_).subspan(at_, count));
      at_ += count;
      if (at_ == data_.size()) end_.connection->finish(id_);
    }
  }
  [[nodiscard]] StreamId id() const { return id_; }

 private:
  QuicPair::End& end_;
  Bytes data_;
  StreamId id_{};
  std::size_t at_ = 0;
};

TEST(QuicConnection, ConfirmsBothEndsAfterTwoRoundTrips) {
  QuicPair pair;
  const TimePoint start = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_LE(pair.now - start, 4 * pair.network.delay + 1ms);
  EXPECT_TRUE(pair.client.connection->confirmed());
  EXPECT_TRUE(pair.server.connection->confirmed());
  EXPECT_TRUE(pair.client.events.ends.empty());
  pair.run(20s);
  EXPECT_EQ(pair.client.events.confirmed, 1);
  EXPECT_EQ(pair.server.events.confirmed, 1);
  EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty());
}

TEST(QuicConnection, ExportsTheSameSecretAtBothEnds) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes secret = pair.client.connection->export_secret("EXPORTER-p2pd-link", 64);
  EXPECT_EQ(secret.size(), 64u);
  EXPECT_EQ(secret, pair.server.connection->export_secret("EXPORTER-p2pd-link", 64));
  EXPECT_NE(secret, pair.server.connection->export_secret("EXPORTER-p2pd-other", 64));
}

TEST(QuicConnection, MovesBytesBothWaysOverALossyReorderingPath) {
  for (const std::uint64_t seed : {1u, 2u}) {
    QuicPair pair(seed);
    pair.network = {.delay = 15ms, .jitter = 10ms, .loss = 0.02, .duplication = 0.02, .packet_size = 1'400};
    pair.client.events.keep_data = pair.server.events.keep_data = false;
    ASSERT_TRUE(pair.connect());
    Digest up;
    Digest down;
    up.add(pattern(20'000'000, seed));
    down.add(pattern(20'000'000, seed + 100));
    Sender client(pair.client, pattern(20'000'000, seed));
    Sender server(pair.server, pattern(20'000'000, seed + 100));
    ASSERT_TRUE(pair.run_until(
        [&] {
          return pair.server.events.streams[client.id()].fin && pair.client.events.streams[server.id()].fin;
        },
        300s));
    EXPECT_EQ(pair.server.events.streams[client.id()].digest.value(), up.value());
    EXPECT_EQ(pair.client.events.streams[server.id()].digest.value(), down.value());
    EXPECT_GT(pair.client.connection->stats().packets_lost, 0u);
  }
}

}  // namespace
}  // namespace p2pd::net::test
