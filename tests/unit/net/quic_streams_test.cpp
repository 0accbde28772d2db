// Streams of a connection: fairness, flow control, resets, limits.
#include <gtest/gtest.h>

#include "net/quic_connection.hpp"
#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

Bytes big(std::size_t size) { return pattern(size, 3); }

TEST(QuicStreams, OpenOnlyOnceConfirmed) {
  QuicPair pair;
  pair.dial();
  const auto early = pair.client.connection->open_stream();
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, make_error_code(QuicError::not_open));
  ASSERT_TRUE(pair.run_until([&] { return pair.client.events.confirmed == 1; }, 5s));
  EXPECT_TRUE(pair.client.connection->open_stream());
}

TEST(QuicStreams, CarryBytesBothWaysAndEndOnce) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  EXPECT_EQ(pair.client.connection->write(id, base::as_bytes("ping")), 4u);
  EXPECT_TRUE(pair.client.connection->outstanding());
  pair.run(1s);
  EXPECT_EQ(pair.client.connection->unacknowledged(id), 0u);
  EXPECT_EQ(pair.client.events.streams[id].acknowledged, 4u);
  EXPECT_FALSE(pair.client.connection->outstanding());
  pair.server.connection->write(id, base::as_bytes("pong"));
  pair.server.connection->finish(id);
  pair.run(1s);
  EXPECT_TRUE(pair.client.events.streams[id].fin);
  EXPECT_EQ(pair.client.events.streams_closed, 0u);
  pair.client.connection->finish(id);
  pair.run(1s);
  EXPECT_EQ(base::as_text(pair.server.events.streams[id].data), "ping");
  EXPECT_EQ(base::as_text(pair.client.events.streams[id].data), "pong");
  EXPECT_EQ(pair.client.events.streams_closed, 1u);
  EXPECT_EQ(pair.server.events.streams_closed, 1u);
  EXPECT_EQ(pair.client.connection->write(id, base::as_bytes("late")), 0u);
  EXPECT_EQ(pair.client.connection->write(StreamId{400}, base::as_bytes("unknown")), 0u);
}

TEST(QuicStreams, DropWhatIsWrittenAfterTheEnd) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, base::as_bytes("all"));
  pair.client.connection->finish(id);
  EXPECT_EQ(pair.client.connection->write(id, base::as_bytes("more")), 0u);
  pair.client.connection->finish(id);
  pair.run(1s);
  EXPECT_EQ(base::as_text(pair.server.events.streams[id].data), "all");
  EXPECT_TRUE(pair.server.events.streams[id].fin);
}

TEST(QuicStreams, EndWithoutAByte) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->finish(id);
  pair.run(1s);
  EXPECT_TRUE(pair.server.events.streams[id].fin);
  EXPECT_TRUE(pair.server.events.streams[id].data.empty());
}

TEST(QuicStreams, ShareAPacket) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  pair.run(1s);
  const std::size_t before = pair.client.packets;
  for (int i = 0; i < 20; ++i) {
    const StreamId id = pair.client.connection->open_stream().value();
    pair.client.connection->write(id, base::as_bytes("small"));
    pair.client.connection->finish(id);
  }
  pair.flush(pair.client);
  EXPECT_EQ(pair.client.packets - before, 1u);
  pair.run(1s);
  EXPECT_EQ(pair.server.events.streams.size(), 20u);
}

TEST(QuicStreams, TakeTurns) {
  QuicPair pair;
  pair.network.bytes_per_second = 1'000'000;
  pair.network.queue = 2'000'000;  // no loss: what arrives is in order
  ASSERT_TRUE(pair.connect());
  std::vector<StreamId> ids;
  const Bytes data = big(400'000);
  for (int i = 0; i < 4; ++i) {
    ids.push_back(pair.client.connection->open_stream().value());
    pair.client.connection->write(ids.back(), data);
  }
  pair.run(700ms);
  std::size_t least = data.size(), most = 0;
  for (const StreamId id : ids) {
    least = std::min(least, pair.server.events.streams[id].data.size());
    most = std::max(most, pair.server.events.streams[id].data.size());
  }
  EXPECT_GT(least, 50'000u);
  EXPECT_LT(most - least, 30'000u);
}

TEST(QuicStreams, LetASmallOneThroughBesideABulkOne) {
  QuicPair pair;
  pair.network.bytes_per_second = 1'000'000;
  pair.client.config.initial_rtt = 40ms;
  ASSERT_TRUE(pair.connect());
  const Bytes data = big(8'000'000);
  Sender bulk(pair.client, data);
  pair.run(2s);
  const StreamId control = pair.client.connection->open_stream().value();
  pair.client.connection->write(control, base::as_bytes("now"));
  const TimePoint start = pair.now;
  ASSERT_TRUE(pair.run_until([&] { return !pair.server.events.streams[control].data.empty(); }, 5s));
  EXPECT_LT(pair.now - start, 400ms);
}

TEST(QuicStreams, LetASmallOneAgainstTheDirectionOfABulkOne) {
  QuicPair pair;
  pair.network.bytes_per_second = 5'000'000;
  ASSERT_TRUE(pair.connect());
  const StreamId control = pair.client.connection->open_stream().value();
  pair.client.connection->write(control, base::as_bytes("."));
  pair.run(1s);
  const Bytes data = big(15'000'000);
  Sender bulk(pair.server, data);
  for (std::size_t i = 2; i <= 100; ++i) {
    pair.run(20ms);
    pair.client.connection->write(control, base::as_bytes("."));
    const TimePoint start = pair.now;
    ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[control].data.size() == i; }, 1s));
    EXPECT_LE(pair.now - start, pair.network.delay + 5ms);
  }
}

TEST(QuicStreams, StallOnlyTheStreamThatNobodyReads) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId control = pair.client.connection->open_stream().value();
  std::vector<StreamId> stuck;
  const Bytes data = big(2'000'000);
  pair.server.events.hold = [&](StreamId id) { return id != control; };
  for (int i = 0; i < 30; ++i) {
    stuck.push_back(pair.client.connection->open_stream().value());
    pair.client.connection->write(stuck.back(), data);
  }
  pair.run(5s);
  const std::uint64_t window = pair.server.config.stream_window;
  for (const StreamId id : stuck) EXPECT_EQ(pair.server.events.streams[id].data.size(), window);
  EXPECT_FALSE(pair.client.connection->outstanding());
  for (int i = 0; i < 100; ++i) {
    pair.client.connection->write(control, big(10'000));
    pair.run(100ms);
  }
  EXPECT_EQ(pair.server.events.streams[control].data.size(), 1'000'000u);

  // The reader comes back: everything that waited arrives.
  pair.server.events.hold = [](StreamId) { return false; };
  for (const StreamId id : stuck) pair.server.connection->consume(id, window);
  ASSERT_TRUE(pair.run_until(
      [&] {
        return std::all_of(stuck.begin(), stuck.end(), [&](StreamId id) {
          return pair.server.events.streams[id].data.size() == data.size();
        });
      },
      60s));
  EXPECT_TRUE(std::all_of(stuck.begin(), stuck.end(),
                          [&](StreamId id) { return pair.server.events.streams[id].data == data; }));
}

TEST(QuicStreams, GrowTheirWindowWithABusyReader) {
  QuicPair pair;
  pair.network.delay = 100ms;
  pair.network.bytes_per_second = 10'000'000;
  pair.network.queue = 4'000'000;
  pair.network.packet_size = 1'400;
  ASSERT_TRUE(pair.connect());
  // 256 KiB in each round trip of 200 ms would be 1.3 MB/s, 30 s in all.
  const Bytes data = big(40'000'000);
  pair.server.events.keep_data = false;
  Sender sender(pair.client, data);
  EXPECT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 15s));
}

TEST(QuicStreams, TellAResetToBothSides) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, base::as_bytes("request"));
  pair.server.events.when_data = [&](StreamId stream, ByteView, bool) {
    pair.server.connection->write(stream, big(100'000));
    pair.server.connection->reset(stream, CloseCode::refused);
  };
  pair.run(2s);
  const auto& seen = pair.client.events.streams[id];
  EXPECT_EQ(seen.reset, static_cast<std::uint64_t>(CloseCode::refused));
  EXPECT_TRUE(seen.data.empty());
  EXPECT_TRUE(seen.closed);
  EXPECT_TRUE(pair.server.events.streams[id].closed);
  EXPECT_EQ(pair.server.connection->unacknowledged(id), 0u);
}

TEST(QuicStreams, StopTheWriterOfAStreamThatWasReset) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.server.events.hold = [](StreamId) { return true; };
  pair.client.connection->write(id, big(1'000'000));  // more than the window: it waits
  pair.run(1s);
  pair.server.connection->reset(id, CloseCode::limit);
  pair.flush(pair.server);
  pair.run(1s);
  const auto& seen = pair.client.events.streams[id];
  EXPECT_EQ(seen.reset, static_cast<std::uint64_t>(CloseCode::limit));
  EXPECT_EQ(seen.stopped, static_cast<std::uint64_t>(CloseCode::limit));
  EXPECT_TRUE(seen.closed);
  EXPECT_EQ(pair.client.connection->unacknowledged(id), 0u);
}

TEST(QuicStreams, StopOneDirectionAndCarryTheOther) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.server.events.hold = [](StreamId) { return true; };
  pair.client.connection->write(id, big(1'000'000));  // more than the window: it waits
  pair.run(1s);
  EXPECT_GT(pair.client.connection->unsent(id), 0u);
  pair.server.connection->stop_reading(id, CloseCode::cancelled);
  pair.flush(pair.server);
  pair.run(1s);
  EXPECT_TRUE(pair.client.events.streams[id].stopped);
  EXPECT_EQ(pair.client.connection->unsent(id), 0u);
  EXPECT_FALSE(pair.client.events.streams[id].reset);
  pair.server.connection->write(id, base::as_bytes("still here"));
  pair.server.connection->finish(id);
  pair.run(1s);
  EXPECT_EQ(base::as_text(pair.client.events.streams[id].data), "still here");
  EXPECT_TRUE(pair.client.events.streams[id].fin);
  EXPECT_TRUE(pair.client.events.streams[id].closed);
}

TEST(QuicStreams, GrowTheirWindowsOnlyAsFarAsAllOfThemMay) {
  QuicPair pair;
  pair.network.delay = 100ms;
  pair.server.config.window_growth = 100'000;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, big(20'000'000));
  ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[id].data.size() > 5'000'000; }, 60s));
  pair.server.events.hold = [](StreamId) { return true; };
  const std::size_t before = pair.server.events.streams[id].data.size();
  pair.run(10s);
  const std::size_t held = pair.server.events.streams[id].data.size() - before;
  EXPECT_GT(held, 0u);
  EXPECT_LE(held, pair.server.config.stream_window + 100'000);
}

TEST(QuicStreams, StayQuietAfterTheirReset) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, base::as_bytes("open"));
  pair.run(1s);
  pair.server.connection->write(id, big(50'000));
  pair.flush(pair.server);
  pair.client.connection->reset(id, CloseCode::cancelled);
  EXPECT_EQ(pair.client.connection->write(id, base::as_bytes("more")), 0u);
  pair.run(2s);
  EXPECT_TRUE(pair.client.events.streams[id].data.empty());
  EXPECT_FALSE(pair.client.events.streams[id].reset);
  EXPECT_TRUE(pair.client.events.streams[id].closed);
  EXPECT_EQ(pair.server.events.streams[id].reset, static_cast<std::uint64_t>(CloseCode::cancelled));
}

TEST(QuicStreams, EndAtThePeersLimitAndGoOnWhenSomeClose) {
  QuicPair pair;
  pair.server.config.max_streams = 3;
  ASSERT_TRUE(pair.connect());
  std::vector<StreamId> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(pair.client.connection->open_stream().value());
    pair.client.connection->write(ids.back(), base::as_bytes("x"));
  }
  const auto refused = pair.client.connection->open_stream();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, make_error_code(QuicError::stream_limit));
  pair.run(1s);
  pair.client.connection->reset(ids[1], CloseCode::cancelled);
  pair.run(1s);
  EXPECT_TRUE(pair.client.connection->open_stream());
  EXPECT_FALSE(pair.client.connection->open_stream());
}

TEST(QuicStreams, AreRenewedForThousandsOneAfterAnother) {
  QuicPair pair;
  pair.network.delay = 1ms;
  pair.server.config.max_streams = pair.client.config.max_streams = 16;
  ASSERT_TRUE(pair.connect());
  pair.server.events.when_data = [&](StreamId id, ByteView data, bool fin) {
    pair.server.connection->write(id, data);
    if (fin) pair.server.connection->finish(id);
  };
  for (std::size_t i = 1; i <= 5'000; ++i) {
    auto id = pair.client.connection->open_stream();
    ASSERT_TRUE(id) << "stream " << i;
    pair.client.connection->write(*id, base::as_bytes("echo"));
    pair.client.connection->finish(*id);
    ASSERT_TRUE(pair.run_until([&] { return pair.client.events.streams_closed == i; }, 5s));
    ASSERT_EQ(base::as_text(pair.client.events.streams[*id].data), "echo");
    pair.client.events.streams.clear();
    pair.server.events.streams.clear();
  }
}

TEST(QuicStreams, LeaveTheConnectionUsableAfterThousandsOfResets) {
  QuicPair pair;
  pair.network.delay = 1ms;
  pair.server.config.max_streams = 16;
  ASSERT_TRUE(pair.connect());
  for (std::size_t i = 1; i <= 3'000; ++i) {
    auto id = pair.client.connection->open_stream();
    ASSERT_TRUE(id) << "stream " << i;
    pair.client.connection->write(*id, big(3'000));
    if (i % 2 == 0) pair.flush(pair.client);
    pair.client.connection->reset(*id, CloseCode::cancelled);
    ASSERT_TRUE(pair.run_until([&] { return pair.client.events.streams_closed == i; }, 5s)) << i;
  }
  const Bytes data = big(3'000'000);
  Sender sender(pair.client, data);
  EXPECT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 30s));
  EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty());
}

}  // namespace
}  // namespace p2pd::net::test
