// A QUIC connection that only takes notes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "net/quic_connection.hpp"

namespace p2pd::peer {

class FakeQuic final : public net::QuicConnection {
 public:
  bool owns(base::ByteView) const override { return false; }
  bool receive(base::ByteView, base::TimePoint) override { return false; }
  std::size_t write_packet(std::span<std::uint8_t>, base::TimePoint) override { return 0; }
  base::TimePoint deadline() const override { return base::kNever; }
  void on_time(base::TimePoint) override {}
  void kick(base::TimePoint) override {}

  base::Result<net::StreamId> open_stream() override {
    if (!may_open) return base::Error(net::make_error_code(net::QuicError::stream_limit));
    return net::StreamId{next_stream++};
  }
  std::size_t write(net::StreamId id, base::ByteView data) override {
    base::Bytes& out = written[id];
    out.insert(out.end(), data.begin(), data.end());
    return out.size();
  }
  void finish(net::StreamId id) override { finished.push_back(id); }
  void reset(net::StreamId id, net::CloseCode code) override { resets[id] = code; }
  void stop_reading(net::StreamId id, net::CloseCode code) override { stops[id] = code; }
  void consume(net::StreamId id, std::size_t count) override { consumed[id] += count; }
  std::size_t unacknowledged(net::StreamId id) const override { return written.at(id).size(); }
  std::size_t unsent(net::StreamId id) const override {
    const auto found = written.find(id);
    return found == written.end() ? 0 : found->second.size();
  }

  bool confirmed() const override { return true; }
  bool closed() const override { return false; }
  bool outstanding() const override { return false; }
  net::QuicStats stats() const override { return {}; }
  base::Bytes export_secret(std::string_view, std::size_t size) const override { return base::Bytes(size); }
  void forget_handshake() override {}
  void close(net::CloseCode, std::string_view) override {}

  base::Bytes take(net::StreamId id) { return std::exchange(written[id], {}); }

  bool may_open = true;
  std::int64_t next_stream = 4;
  std::map<net::StreamId, base::Bytes> written;
  std::map<net::StreamId, net::CloseCode> resets;
  std::map<net::StreamId, net::CloseCode> stops;
  std::map<net::StreamId, std::size_t> consumed;
  std::vector<net::StreamId> finished;
};

}  // namespace p2pd::peer
