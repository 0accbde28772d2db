// Many streams at once over random bad paths, with resets, outages and kicks: a failing schedule is replayed
// by its seed.
#include <gtest/gtest.h>

#include "net/quic_connection.hpp"
#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed), pair_(seed) {
    Network& network = pair_.network;
    network.delay = std::chrono::milliseconds(pick(80));
    network.jitter = std::chrono::milliseconds(pick(60));
    network.loss = static_cast<double>(pick(15)) / 100;
    network.duplication = static_cast<double>(pick(20)) / 100;
    network.bytes_per_second = pick(1) * (100'000 + pick(3'000'000));
    network.queue = 20'000 + pick(300'000);
    network.packet_size = 1'200 + pick(4'000);
    for (QuicPair::End* end : {&pair_.client, &pair_.server}) {
      end->config.stream_window = 10'000 + pick(100'000);
      end->config.connection_window = 100'000 + pick(1'000'000);
    }
  }

  void run() {
    ASSERT_TRUE(pair_.connect());
    for (int i = 0; i < 12; ++i) open();
    for (int step = 0; step < 20'000 && !all_arrived(); ++step) {
      for (Transfer& transfer : transfers_) advance(transfer);
      if (pick(200) == 0) outage();
      pair_.run(std::chrono::milliseconds(1 + pick(30)));
    }
    for (const Transfer& transfer : transfers_) {
      const auto& received = transfer.to->events.streams[transfer.id];
      EXPECT_TRUE(transfer.reset || (received.fin && received.data == transfer.data));
    }
    EXPECT_TRUE(pair_.client.events.ends.empty() && pair_.server.events.ends.empty());
    expect_all_close();
  }

 private:
  struct Transfer {
    QuicPair::End* from;
    QuicPair::End* to;
    StreamId id;
    Bytes data;
    std::size_t written = 0;
    bool finished = false;
    bool reset = false;
  };

  std::uint64_t pick(std::uint64_t most) { return random_() % (most + 1); }

  void open() {
    const bool up = pick(1) == 0;
    QuicPair::End& from = up ? pair_.client : pair_.server;
    QuicPair::End& to = up ? pair_.server : pair_.client;
    transfers_.push_back(
        {&from, &to, from.connection->open_stream().value(), pattern(pick(200'000), random_())});
  }

  void advance(Transfer& transfer) {
    QuicConnection& from = *transfer.from->connection;
    if (transfer.written < transfer.data.size() && from.unacknowledged(transfer.id) < 100'000) {
      const std::size_t count =
          std::min<std::size_t>(1 + pick(30'000), transfer.data.size() - transfer.written);
      from.write(transfer.id, ByteView(transfer.data).subspan(transfer.written, count));
      transfer.written += count;
    }
    if (transfer.written == transfer.data.size() && !transfer.finished) {
      from.finish(transfer.id);
      transfer.finished = true;
    }
    if (transfer.reset || pick(2'000) != 0) return;
    QuicPair::End& end = pick(1) == 0 ? *transfer.from : *transfer.to;
    if (&end == transfer.to && end.events.streams.count(transfer.id) == 0) return;
    end.connection->reset(transfer.id, CloseCode::cancelled);
    transfer.reset = true;
  }

  void outage() {
    pair_.network.cut = true;
    pair_.run(std::chrono::milliseconds(pick(3'000)));
    pair_.network.cut = false;
    if (pick(1) == 0) return;
    pair_.client.connection->kick(pair_.now);
    pair_.server.connection->kick(pair_.now);
  }

  bool all_arrived() {
    return std::all_of(transfers_.begin(), transfers_.end(), [](const Transfer& transfer) {
      return transfer.reset || transfer.to->events.streams[transfer.id].fin;
    });
  }

  // No stream stays half open, whatever was lost around its end.
  void expect_all_close() {
    for (const Transfer& transfer : transfers_) transfer.to->connection->finish(transfer.id);
    pair_.network.loss = 0;
    pair_.network.bytes_per_second = 0;
    pair_.run(200s);
    for (QuicPair::End* end : {&pair_.client, &pair_.server}) {
      for (const auto& [id, stream] : end->events.streams) {
        EXPECT_TRUE(stream.closed) << "stream " << static_cast<std::int64_t>(id);
        EXPECT_EQ(end->connection->unacknowledged(id), 0u);
      }
      EXPECT_FALSE(end->connection->outstanding());
    }
  }

  std::mt19937_64 random_;
  QuicPair pair_;
  std::vector<Transfer> transfers_;
};

TEST(QuicSchedule, DeliversEveryStreamWholeOrResetAndClosesIt) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule(seed).run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace p2pd::net::test
