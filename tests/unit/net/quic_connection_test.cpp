// A connection's life: handshake, authentication, transfer, end.
#include "net/quic_connection.hpp"

#include <gtest/gtest.h>

#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

TEST(QuicConnection, ConfirmsBothEndsAfterTwoRoundTrips) {
  QuicPair pair;
  const TimePoint start = pair.now;
  ASSERT_TRUE(pair.connect());
  EXPECT_LE(pair.now - start, 4 * pair.network.delay + 1ms);
  EXPECT_TRUE(pair.client.connection->confirmed());
  EXPECT_TRUE(pair.server.connection->confirmed());
  pair.run(60s);
  EXPECT_EQ(pair.client.events.confirmed, 1);
  EXPECT_EQ(pair.server.events.confirmed, 1);
  EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty());
  EXPECT_FALSE(pair.client.connection->outstanding());
}

TEST(QuicConnection, TheClientSpeaksWithTheEndOfTheHandshakeAndTheAnswerConfirms) {
  QuicPair pair;
  const Bytes word = pattern(100, 1);
  StreamId stream{};
  pair.client.events.when_completed = [&] {
    EXPECT_FALSE(pair.client.connection->confirmed());
    stream = pair.client.connection->open_stream().value();
    pair.client.connection->write(stream, word);
  };
  TimePoint heard{};
  pair.server.events.when_data = [&](StreamId id, ByteView, bool) {
    heard = pair.now;
    EXPECT_EQ(pair.server.events.confirmed, 1);
    pair.server.connection->write(id, word);
  };
  pair.client.events.when_data = [&](StreamId, ByteView, bool) {
    EXPECT_EQ(pair.client.events.confirmed, 1);
  };
  const TimePoint start = pair.now;
  pair.dial();
  ASSERT_TRUE(pair.run_until([&] { return pair.client.events.streams[stream].data == word; }, 10s));
  EXPECT_LE(heard - start, 3 * pair.network.delay + 1ms);
  EXPECT_LE(pair.now - start, 4 * pair.network.delay + 1ms);
}

TEST(QuicConnection, OnlyTheClientIsToldThatTheOtherEndHasProvedItsKey) {
  QuicPair pair;
  int client = 0;
  int server = 0;
  pair.client.events.when_completed = [&] { ++client; };
  pair.server.events.when_completed = [&] { ++server; };
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(client, 1);
  EXPECT_EQ(server, 0);
}

TEST(QuicConnection, IsSilentWhenIdle) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  pair.run(5s);
  const std::size_t packets = pair.client.packets + pair.server.packets;
  pair.run(1h);
  EXPECT_EQ(pair.client.packets + pair.server.packets, packets);
  EXPECT_EQ(pair.client.connection->deadline(), base::kNever);
}

TEST(QuicConnection, ConfirmsThroughHeavyLossOfHandshakePackets) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    QuicPair pair(seed);
    pair.network.loss = 0.3;
    EXPECT_TRUE(pair.connect()) << "seed " << seed;
  }
}

TEST(QuicConnection, ExportsTheSameSecretAtBothEnds) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const Bytes secret = pair.client.connection->export_secret("EXPORTER-p2pd-link", 64);
  EXPECT_EQ(secret.size(), 64u);
  EXPECT_EQ(secret, pair.server.connection->export_secret("EXPORTER-p2pd-link", 64));
  EXPECT_NE(secret, pair.server.connection->export_secret("EXPORTER-p2pd-other", 64));
}

TEST(QuicConnection, ExportsASecretFromInsideTheConfirmation) {
  QuicPair pair;
  Bytes client, server;
  pair.client.events.when_confirmed = [&] { client = pair.client.connection->export_secret("L", 32); };
  pair.server.events.when_confirmed = [&] { server = pair.server.connection->export_secret("L", 32); };
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(client.size(), 32u);
  EXPECT_EQ(client, server);
}

TEST(QuicConnection, GoesOnWithoutWhatOnlyItsHandshakeNeeded) {
  QuicPair pair;
  pair.network.loss = 0.2;
  for (QuicPair::End* end : {&pair.client, &pair.server}) {
    end->events.when_confirmed = [end] {
      static_cast<void>(end->connection->export_secret("L", 32));
      end->connection->forget_handshake();
    };
  }
  ASSERT_TRUE(pair.connect());
  const Bytes up = pattern(300'000, 1);
  Sender client(pair.client, up);
  ASSERT_TRUE(pair.run_until([&] { return pair.server.events.streams[client.id()].fin; }, 60s));
  EXPECT_EQ(pair.server.events.streams[client.id()].digest, Digest::of(up));
  pair.client.connection->forget_handshake();
  pair.client.connection->close(CloseCode::shutdown, "done");
  pair.run(2s);
  ASSERT_EQ(pair.server.events.ends.size(), 1u);
  EXPECT_EQ(pair.server.events.ends[0].text, "done");
}

void expect_rejected(QuicPair& pair) {
  pair.run(5s);
  for (QuicPair::End* end : {&pair.client, &pair.server}) {
    ASSERT_EQ(end->events.ends.size(), 1u);
    EXPECT_TRUE(end->events.ends[0].authentication_failed) << end->events.ends[0].text;
    EXPECT_EQ(end->events.ends[0].by, CloseReason::By::error);
    EXPECT_EQ(end->events.confirmed, 0);
    EXPECT_TRUE(end->connection->closed());
    EXPECT_FALSE(end->connection->confirmed());
  }
}

TEST(QuicConnection, TellsBothEndsThatTheServersKeyIsWrong) {
  QuicPair pair;
  pair.client.config.peer = QuicPair::identity(2)->id();
  pair.dial();
  expect_rejected(pair);
}

TEST(QuicConnection, TellsBothEndsThatTheClientsKeyIsWrong) {
  QuicPair pair;
  pair.server.config.peer = QuicPair::identity(2)->id();
  pair.dial();
  expect_rejected(pair);
}

TEST(QuicConnection, GivesUpAHandshakeThatNobodyAnswers) {
  QuicPair pair;
  pair.network.cut = true;
  pair.dial();
  pair.run(20s);
  ASSERT_EQ(pair.client.events.ends.size(), 1u);
  EXPECT_FALSE(pair.client.events.ends[0].authentication_failed);
  EXPECT_EQ(pair.client.events.ends[0].text, "the other end did not finish the handshake in time");
}

TEST(QuicConnection, MovesBytesBothWaysOverALossyReorderingPath) {
  QuicPair pair;
  pair.network = {.delay = 15ms, .jitter = 10ms, .loss = 0.02, .duplication = 0.02, .packet_size = 1'400};
  pair.client.events.keep_data = pair.server.events.keep_data = false;
  ASSERT_TRUE(pair.connect());
  const Bytes up = pattern(20'000'000, 1);
  const Bytes down = pattern(20'000'000, 2);
  Sender client(pair.client, up);
  Sender server(pair.server, down);
  ASSERT_TRUE(pair.run_until(
      [&] {
        return pair.server.events.streams[client.id()].fin && pair.client.events.streams[server.id()].fin;
      },
      300s));
  EXPECT_EQ(pair.server.events.streams[client.id()].digest, Digest::of(up));
  EXPECT_EQ(pair.client.events.streams[server.id()].digest, Digest::of(down));
  EXPECT_GT(pair.client.connection->stats().packets_lost, 0u);
  pair.run(1s);
  EXPECT_EQ(pair.client.events.streams[client.id()].acknowledged, up.size());
  EXPECT_EQ(pair.client.connection->unacknowledged(client.id()), 0u);
}

TEST(QuicConnection, MovesBytesOverEveryKindOfBadPath) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](std::uint64_t most) { return random() % (most + 1); };
    QuicPair pair(seed);
    pair.network.delay = std::chrono::milliseconds(pick(80));
    pair.network.jitter = std::chrono::milliseconds(pick(60));
    pair.network.loss = static_cast<double>(pick(20)) / 100;
    pair.network.duplication = static_cast<double>(pick(20)) / 100;
    pair.network.bytes_per_second = pick(1) * (100'000 + pick(3'000'000));
    pair.network.queue = 20'000 + pick(300'000);
    pair.network.packet_size = 1'200 + pick(4'000);
    pair.server.config.stream_window = pair.client.config.stream_window = 20'000 + pick(300'000);
    ASSERT_TRUE(pair.connect()) << "seed " << seed;
    const Bytes up = pattern(300'000, seed);
    Sender client(pair.client, up);
    const Bytes down = pattern(300'000, seed + 1);
    Sender server(pair.server, down);
    ASSERT_TRUE(pair.run_until(
        [&] {
          return pair.server.events.streams[client.id()].fin && pair.client.events.streams[server.id()].fin;
        },
        300s))
        << "seed " << seed;
    EXPECT_EQ(pair.server.events.streams[client.id()].data, up) << "seed " << seed;
    EXPECT_EQ(pair.client.events.streams[server.id()].data, down) << "seed " << seed;
    EXPECT_TRUE(pair.client.events.ends.empty() && pair.server.events.ends.empty()) << "seed " << seed;
  }
}

TEST(QuicConnection, RunsTheSameWithTheSameRandomness) {
  const auto trace = [] {
    QuicPair pair(5);
    pair.network.loss = 0.05;
    pair.network.jitter = 7ms;
    std::vector<std::pair<TimePoint, std::size_t>> packets;
    const auto note = [&](ByteView packet) { packets.emplace_back(pair.now, packet.size()); };
    pair.client.watch = pair.server.watch = note;
    EXPECT_TRUE(pair.connect());
    Sender sender(pair.client, pattern(300'000, 1));
    EXPECT_TRUE(pair.run_until([&] { return pair.server.events.streams[sender.id()].fin; }, 60s));
    return packets;
  };
  EXPECT_EQ(trace(), trace());
}

TEST(QuicConnection, TellsTheReasonOfACloseToBothEnds) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.connection->close(CloseCode::superseded, "another one was kept");
  EXPECT_TRUE(pair.client.events.ends.empty());
  pair.run(1s);
  ASSERT_EQ(pair.client.events.ends.size(), 1u);
  ASSERT_EQ(pair.server.events.ends.size(), 1u);
  EXPECT_EQ(pair.client.events.ends[0].by, CloseReason::By::self);
  EXPECT_EQ(pair.server.events.ends[0].by, CloseReason::By::peer);
  for (const auto* end : {&pair.client.events.ends[0], &pair.server.events.ends[0]}) {
    EXPECT_EQ(end->code, static_cast<std::uint64_t>(CloseCode::superseded));
    EXPECT_EQ(end->text, "another one was kept");
    EXPECT_FALSE(end->authentication_failed);
  }
  EXPECT_EQ(pair.client.connection->deadline(), base::kNever);
  EXPECT_FALSE(pair.client.connection->open_stream());
}

TEST(QuicConnection, ClosesDuringTheHandshakeWithoutShowingTheReason) {
  QuicPair pair;
  pair.dial();
  pair.run_until([&] { return pair.server.connection != nullptr; }, 1s);
  pair.server.connection->close(CloseCode::removed, "secret reason");
  pair.run(1s);
  ASSERT_EQ(pair.client.events.ends.size(), 1u);
  EXPECT_EQ(pair.client.events.ends[0].by, CloseReason::By::peer);
  EXPECT_EQ(pair.client.events.ends[0].code, 0u);
  EXPECT_EQ(pair.client.events.ends[0].text.find("secret"), std::string::npos);
  ASSERT_EQ(pair.server.events.ends.size(), 1u);
  EXPECT_EQ(pair.server.events.ends[0].by, CloseReason::By::self);
}

TEST(QuicConnection, ClosesBeforeTheFirstPacketWithoutSendingOne) {
  QuicPair pair;
  auto connection = QuicConnection::dial(pair.client.config, pair.client.events, pair.now).value();
  connection->close(CloseCode::shutdown, "");
  Bytes buffer(1'200);
  EXPECT_EQ(connection->write_packet(buffer, pair.now), 0u);
  ASSERT_EQ(pair.client.events.ends.size(), 1u);
  EXPECT_EQ(pair.client.events.ends[0].by, CloseReason::By::self);
}

TEST(QuicConnection, RepeatsItsFarewellToEverFewerPackets) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  Bytes farewell;
  pair.client.watch = [&](ByteView packet) { farewell.assign(packet.begin(), packet.end()); };
  pair.client.connection->close(CloseCode::shutdown, "bye");
  pair.flush(pair.client);
  ASSERT_FALSE(farewell.empty());
  const std::size_t before = pair.client.packets;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(pair.inject(pair.client, pattern(100, 1)));
  EXPECT_EQ(pair.client.packets - before, 7u);  // packets 1, 2, 4 ... 64
  // Repeated, not made anew, and an end that knows says nothing.
  Bytes again;
  pair.client.watch = [&](ByteView packet) { again.assign(packet.begin(), packet.end()); };
  for (int i = 0; i < 28; ++i) (void)pair.inject(pair.client, pattern(100, 1));
  EXPECT_EQ(again, farewell);
  pair.run(1s);
  const std::size_t server = pair.server.packets;
  for (int i = 0; i < 10; ++i) (void)pair.inject(pair.server, farewell);
  EXPECT_EQ(pair.server.packets, server);
}

TEST(QuicConnection, TakesEveryCallFromInsideItsEvents) {
  QuicPair pair;
  StreamId ours{};
  pair.client.events.when_confirmed = [&] {
    QuicConnection& connection = *pair.client.connection;
    ours = connection.open_stream().value();
    connection.write(ours, base::as_bytes("hello"));
    connection.finish(ours);
    const StreamId other = connection.open_stream().value();
    connection.write(other, base::as_bytes("never mind"));
    connection.reset(other, CloseCode::cancelled);
  };
  pair.server.events.when_data = [&](StreamId id, ByteView data, bool fin) {
    pair.server.connection->write(id, data);
    if (fin) pair.server.connection->finish(id);
  };
  pair.client.events.when_data = [&](StreamId, ByteView, bool fin) {
    if (fin) pair.client.connection->close(CloseCode::disconnected, "done");
  };
  pair.dial();
  pair.run(5s);
  EXPECT_EQ(base::as_text(pair.client.events.streams[ours].data), "hello");
  ASSERT_EQ(pair.client.events.ends.size(), 1u);
  ASSERT_EQ(pair.server.events.ends.size(), 1u);
  EXPECT_EQ(pair.server.events.ends[0].text, "done");
}

TEST(QuicConnection, TellsNothingMoreOnceClosed) {
  QuicPair pair;
  ASSERT_TRUE(pair.connect());
  const StreamId id = pair.client.connection->open_stream().value();
  pair.client.connection->write(id, base::as_bytes("x"));
  pair.server.events.when_opened = [&](StreamId) { pair.server.connection->close(CloseCode::removed, ""); };
  pair.run(1s);
  EXPECT_TRUE(pair.server.events.streams[id].opened);
  EXPECT_TRUE(pair.server.events.streams[id].data.empty());
  EXPECT_EQ(pair.server.events.ends.size(), 1u);
  EXPECT_EQ(pair.client.events.ends.size(), 1u);
}

TEST(QuicConnection, TellsTwoConnectionsOfAPairApart) {
  QuicPair first(1);
  QuicPair second(2);
  ASSERT_TRUE(first.connect());
  ASSERT_TRUE(second.connect());
  const auto check = [](QuicPair::End& sender, QuicPair::End& right, QuicPair::End& wrong, QuicPair& pair) {
    std::size_t seen = 0;
    sender.watch = [&](ByteView packet) {
      const auto header = parse_packet_header(packet);
      ASSERT_TRUE(header);
      EXPECT_FALSE(header->initial);
      EXPECT_TRUE(right.connection->owns(header->destination));
      EXPECT_FALSE(wrong.connection->owns(header->destination));
      ++seen;
    };
    const StreamId id = sender.connection->open_stream().value();
    sender.connection->write(id, pattern(5'000, 1));
    pair.run(1s);
    EXPECT_GT(seen, 0u);
    sender.watch = [](ByteView) {};
  };
  check(first.client, first.server, second.server, first);
  check(second.client, second.server, first.server, second);
  check(first.server, first.client, second.client, first);
}

TEST(QuicConnection, OwnsTheConnectionIdOfTheFirstPacket) {
  QuicPair pair;
  Bytes first;
  pair.client.watch = [&](ByteView packet) { first.assign(packet.begin(), packet.end()); };
  pair.dial();
  const auto header = parse_packet_header(first);
  ASSERT_TRUE(header && header->initial);
  EXPECT_EQ(first.size(), 1'200u);
  EXPECT_FALSE(pair.client.connection->owns(header->destination));
  pair.run_until([&] { return pair.server.connection != nullptr; }, 1s);
  EXPECT_TRUE(pair.server.connection->owns(header->destination));
  EXPECT_FALSE(pair.server.connection->owns(header->destination.first(7)));
}

}  // namespace
}  // namespace p2pd::net::test
