// Two QuicConnections joined by an imaginary network under a fake clock: delay, bandwidth, loss, duplication,
// reordering by a seeded generator, blackouts. Everything happens inside run(); the same seed gives the same
// run. Owned by one test.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "net/quic_connection.hpp"

namespace p2pd::net::test {

using base::Bytes;
using base::ByteView;
using base::TimePoint;
using namespace std::chrono_literals;

// FNV-1a, to compare long transfers without keeping them.
class Digest {
 public:
  static Digest of(ByteView data) {
    Digest digest;
    digest.add(data);
    return digest;
  }
  void add(ByteView data) {
    for (const std::uint8_t byte : data) value_ = (value_ ^ byte) * 1'099'511'628'211u;
    size_ += data.size();
  }
  [[nodiscard]] bool operator==(const Digest&) const = default;

 private:
  std::uint64_t value_ = 14'695'981'039'346'656'037u;
  std::uint64_t size_ = 0;
};

inline Bytes pattern(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  Bytes data(size);
  for (std::uint8_t& byte : data) byte = static_cast<std::uint8_t>(generator());
  return data;
}

// Records what a connection tells, and consumes what it receives unless told to hold.
struct Recorder final : QuicEvents {
  struct Received {
    Bytes data;
    Digest digest;
    bool opened = false;
    bool fin = false;
    bool closed = false;
    std::size_t acknowledged = 0;
    std::optional<std::uint64_t> reset;
    std::optional<std::uint64_t> stopped;
  };

  QuicConnection* connection = nullptr;
  int confirmed = 0;
  std::vector<StreamId> opened;
  std::map<StreamId, Received> streams;
  std::vector<CloseReason> ends;
  std::size_t streams_closed = 0;
  bool keep_data = true;
  std::function<bool(StreamId)> hold = [](StreamId) { return false; };
  std::function<void()> when_completed = [] {};
  std::function<void()> when_confirmed = [] {};
  std::function<void(StreamId)> when_opened = [](StreamId) {};
  std::function<void(StreamId, ByteView, bool)> when_data = [](StreamId, ByteView, bool) {};
  std::function<void(StreamId)> when_acknowledged = [](StreamId) {};

  void on_completed() override { when_completed(); }
  void on_confirmed() override {
    ++confirmed;
    when_confirmed();
  }
  void on_stream_opened(StreamId id) override {
    opened.push_back(id);
    streams[id].opened = true;
    when_opened(id);
  }
  void on_stream_data(StreamId id, ByteView data, bool fin) override {
    Received& received = streams[id];
    if (keep_data) received.data.insert(received.data.end(), data.begin(), data.end());
    received.digest.add(data);
    received.fin = received.fin || fin;
    if (!hold(id)) connection->consume(id, data.size());
    when_data(id, data, fin);
  }
  void on_stream_acknowledged(StreamId id, std::size_t count) override {
    streams[id].acknowledged += count;
    when_acknowledged(id);
  }
  void on_stream_reset(StreamId id, std::uint64_t code) override { streams[id].reset = code; }
  void on_stream_stopped(StreamId id, std::uint64_t code) override { streams[id].stopped = code; }
  void on_stream_closed(StreamId id) override {
    streams[id].closed = true;
    ++streams_closed;
  }
  void on_closed(const CloseReason& reason) override { ends.push_back(reason); }
};

struct Network {
  base::Duration delay = 20ms;
  base::Duration jitter = 0ms;         // up to this much more, which reorders
  double loss = 0;                     // of 1
  double duplication = 0;              // of 1
  std::uint64_t bytes_per_second = 0;  // 0: unlimited
  std::size_t queue = 256 * 1024;      // bytes waiting for the bottleneck; more is dropped
  std::size_t packet_size = 1'200;
  bool cut = false;
};

class QuicPair {
 public:
  struct End {
    std::unique_ptr<QuicConnection> connection;
    Recorder events;
    QuicConfig config;
    std::size_t packets = 0;
    std::size_t bytes = 0;
    std::size_t largest = 0;
    TimePoint link_free{};
    std::function<void(Bytes&)> tamper = [](Bytes&) {};  // with each packet it sends
    std::function<void(ByteView)> watch = [](ByteView) {};
  };

  explicit QuicPair(std::uint64_t seed = 1) : random_(seed) {
    client.config.identity = identity(0);
    server.config.identity = identity(1);
    client.config.peer = server.config.identity->id();
    server.config.peer = client.config.identity->id();
    client.config.random = source(seed * 2 + 1);
    server.config.random = source(seed * 2 + 2);
  }

  // Keys are the same in all tests of a process: making them is slow.
  static std::shared_ptr<const Identity> identity(std::size_t index) {
    static std::map<std::size_t, std::shared_ptr<const Identity>> made;
    auto& entry = made[index];
    if (!entry) entry = Identity::generate();
    return entry;
  }

  static std::function<void(std::span<std::uint8_t>)> source(std::uint64_t seed) {
    return [generator = std::make_shared<std::mt19937_64>(seed)](std::span<std::uint8_t> out) {
      for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>((*generator)());
    };
  }

  void dial() {
    auto made = QuicConnection::dial(client.config, client.events, now);
    client.connection = std::move(made.value());
    client.events.connection = client.connection.get();
    flush(client);
  }

  // Dials and runs until both ends are confirmed.
  [[nodiscard]] bool connect() {
    dial();
    return run_until([&] { return client.events.confirmed == 1 && server.events.confirmed == 1; }, 10s);
  }

  // Steps through events until `done` or the time is over; false in the latter case.
  bool run_until(const std::function<bool()>& done, base::Duration limit) {
    const TimePoint end = now + limit;
    flush(client);
    flush(server);
    while (!done()) {
      TimePoint next = end;
      if (!flights_.empty()) next = std::min(next, flights_.top().arrival);
      for (End* side : {&client, &server}) {
        if (side->connection) next = std::min(next, std::max(side->connection->deadline(), now));
      }
      if (next >= end) {
        now = end;
        return done();
      }
      // A timer in the past that nothing moves would stop the clock.
      now = std::max(now, next);
      if (++idle_steps_ > 1'000) now += 1us;
      deliver();
      for (End* side : {&client, &server}) {
        if (side->connection && side->connection->deadline() <= now) side->connection->on_time(now);
        flush(*side);
      }
    }
    return true;
  }
  void run(base::Duration time) {
    run_until([] { return false; }, time);
  }

  void flush(End& side) {
    if (!side.connection) return;
    Bytes buffer(network.packet_size);
    while (const std::size_t size = side.connection->write_packet(buffer, now)) {
      ++side.packets;
      side.bytes += size;
      side.largest = std::max(side.largest, size);
      Bytes packet(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
      side.watch(packet);
      side.tamper(packet);
      send(side, std::move(packet));
      idle_steps_ = 0;
    }
  }

  // As if it came from the network to `side` now.
  bool inject(End& side, ByteView packet) {
    const bool authentic = side.connection->receive(packet, now);
    flush(side);
    return authentic;
  }

  End client;
  End server;
  Network network;
  TimePoint now{1h};

 private:
  struct Flight {
    TimePoint arrival;
    std::uint64_t order;
    End* to;
    Bytes packet;
    bool operator<(const Flight& other) const {
      return arrival != other.arrival ? arrival > other.arrival : order > other.order;
    }
  };

  double chance() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  void send(End& from, Bytes packet) {
    if (network.cut || chance() < network.loss) return;
    TimePoint leaves = now;
    if (network.bytes_per_second > 0) {
      const auto rate = static_cast<double>(network.bytes_per_second);
      from.link_free = std::max(from.link_free, now);
      const double waiting = std::chrono::duration<double>(from.link_free - now).count() * rate;
      if (waiting > static_cast<double>(network.queue)) return;
      from.link_free += std::chrono::duration_cast<base::Duration>(
          std::chrono::duration<double>(static_cast<double>(packet.size()) / rate));
      leaves = from.link_free;
    }
    End* to = &from == &client ? &server : &client;
    const int copies = chance() < network.duplication ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const auto extra = std::chrono::duration_cast<base::Duration>(network.jitter * chance());
      flights_.push({leaves + network.delay + extra, ++order_, to, packet});
    }
  }

  void deliver() {
    while (!flights_.empty() && flights_.top().arrival <= now) {
      const Flight flight = flights_.top();
      flights_.pop();
      idle_steps_ = 0;
      if (network.cut) continue;
      if (!flight.to->connection && flight.to == &server && !accept(flight.packet)) continue;
      if (flight.to->connection) (void)flight.to->connection->receive(flight.packet, now);
    }
  }

  bool accept(ByteView packet) {
    const auto header = parse_packet_header(packet);
    if (!header || !header->initial) return false;
    auto made = QuicConnection::accept(server.config, server.events, packet, now);
    if (!made) return false;
    server.connection = std::move(*made);
    server.events.connection = server.connection.get();
    return true;
  }

  std::mt19937_64 random_;
  std::priority_queue<Flight> flights_;
  std::uint64_t order_ = 0;
  int idle_steps_ = 0;
};

// Writes `data` to a new stream, never holding much more than 1 MiB unacknowledged, and finishes it.
class Sender {
 public:
  Sender(QuicPair::End& end, ByteView data)
      : end_(end), id_(end.connection->open_stream().value()), data_(data) {
    end.events.when_acknowledged = [this](StreamId) { pump(); };
    pump();
  }
  ~Sender() {
    end_.events.when_acknowledged = [](StreamId) {};
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;
  [[nodiscard]] StreamId id() const { return id_; }

 private:
  void pump() {
    while (!data_.empty() && end_.connection->unacknowledged(id_) < 1024 * 1024) {
      const std::size_t count = std::min<std::size_t>(60'000, data_.size());
      end_.connection->write(id_, data_.first(count));
      data_ = data_.subspan(count);
      if (data_.empty()) end_.connection->finish(id_);
    }
  }

  QuicPair::End& end_;
  const StreamId id_;
  ByteView data_;
};

}  // namespace p2pd::net::test
