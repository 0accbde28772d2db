// QuicConnection over ngtcp2 0.12.1. ngtcp2 calls back only from inside receive(), on_time() and
// write_packet(); events are passed on from there, and what a handler asks for meanwhile is queued, as
// ngtcp2 must not write from inside a callback. Private to net/: included from .cpp files only.
//
//   Phase: handshaking -> completed (client) -> confirmed -> closed. A farewell (CONNECTION_CLOSE to be
//   written) may wait in any; an error of ours is told at once and written next, an application's close is
//   written, then told.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <ngtcp2/ngtcp2.h>

#include "net/quic_clock.hpp"
#include "net/quic_connection.hpp"
#include "net/quic_pacer.hpp"
#include "net/quic_send_queue.hpp"
#include "net/quic_tls.hpp"

namespace p2pd::net {

class Ngtcp2Connection final : public QuicConnection {
 public:
  // `initial` is the client's first packet's header on the server, nothing on the client.
  [[nodiscard]] static base::Result<std::unique_ptr<QuicConnection>> create(QuicConfig config,
                                                                            QuicEvents& events,
                                                                            const ngtcp2_pkt_hd* initial,
                                                                            base::TimePoint now);

  bool owns(base::ByteView destination) const override;
  bool receive(base::ByteView packet, base::TimePoint now) override;
  std::size_t write_packet(std::span<std::uint8_t> out, base::TimePoint now) override;
  base::TimePoint deadline() const override;
  void on_time(base::TimePoint now) override;
  void kick(base::TimePoint now) override;

  base::Result<StreamId> open_stream() override;
  std::size_t write(StreamId id, base::ByteView data) override;
  void finish(StreamId id) override;
  void reset(StreamId id, CloseCode code) override;
  void stop_reading(StreamId id, CloseCode code) override;
  void consume(StreamId id, std::size_t count) override;
  std::size_t unacknowledged(StreamId id) const override;
  std::size_t unsent(StreamId id) const override;

  bool confirmed() const override { return phase_ == Phase::confirmed; }
  bool closed() const override { return phase_ == Phase::closed; }
  bool outstanding() const override;
  QuicStats stats() const override;
  base::Bytes export_secret(std::string_view label, std::size_t size) const override;
  void forget_handshake() override;
  void close(CloseCode code, std::string_view text) override;

 private:
  struct Callbacks;  // ngtcp2's, in quic_ngtcp2_callbacks.cpp
  static const ngtcp2_callbacks& callbacks(Side side);
  // Set by the decryption callback, to which ngtcp2 gives no context.
  static bool& decrypted();

  enum class Phase { handshaking, completed, confirmed, closed };
  using ConnectionId = std::array<std::uint8_t, kConnectionIdSize>;

  struct Stream {
    enum class Sending { open, finishing, finished, ended };  // ended: reset, by either end
    enum class Turn { idle, queued, blocked };                // blocked: until the peer gives credit

    SendQueue queue;
    Sending sending = Sending::open;
    Turn turn = Turn::idle;
    bool abandoned = false;       // reset() was called: no more events but on_stream_closed
    std::uint64_t peer_code = 0;  // of its RESET_STREAM
    std::uint64_t window = 0;     // what the peer may send ahead of the reader
    std::uint64_t consumed = 0;   // since the last look at the window
    QuicClock::Stamp looked = 0;
  };
  using Streams = std::unordered_map<std::int64_t, Stream>;

  struct Farewell {
    ngtcp2_connection_close_error error{};
    std::string text;
  };
  struct PendingReset {
    std::int64_t id;
    std::uint64_t code;
    bool both = true;  // else STOP_SENDING alone
  };

  Ngtcp2Connection(QuicConfig config, QuicEvents& events, Side side, base::TimePoint now);
  base::Result<void> start(const ngtcp2_pkt_hd* initial);
  void fill_random(std::span<std::uint8_t> out) const;
  ngtcp2_cid new_id();
  ngtcp2_settings settings() const;
  ngtcp2_transport_params transport_params() const;

  // Events may be passed on: not closed, no farewell waits.
  [[nodiscard]] bool live() const { return phase_ != Phase::closed && !farewell_; }
  void complete();
  void confirm();
  void end_tls_session();
  void end(const CloseReason& reason);
  void end_by_peer();
  void fail(int library_error);
  [[nodiscard]] bool overrun_excused(base::TimePoint now);
  [[nodiscard]] ngtcp2_conn_stat statistics() const;
  std::size_t write_farewell(std::span<std::uint8_t> out, QuicClock::Stamp stamp);
  std::size_t repeat_farewell(std::span<std::uint8_t> out);

  void add_stream(std::int64_t id);
  Stream* find(StreamId id);
  Stream* find_live(std::int64_t id);  // for events: null when nothing is to be told of it
  void queue_turn(std::int64_t id, Stream& stream);
  void unblock_streams();
  int apply_resets();
  void stop_sending(std::int64_t id, std::uint64_t code);
  [[nodiscard]] bool has_sendable() const;

  ngtcp2_ssize fill_packet(std::span<std::uint8_t> out, QuicClock::Stamp stamp);
  ngtcp2_ssize finish_packet(std::span<std::uint8_t> out, ngtcp2_pkt_info& info, bool full,
                             QuicClock::Stamp stamp);
  ngtcp2_ssize write_stream(std::int64_t id, Stream& stream, std::span<std::uint8_t> out,
                            ngtcp2_pkt_info& info, std::size_t& fresh, QuicClock::Stamp stamp);
  [[nodiscard]] static QuicPacer::Rate rate(const ngtcp2_conn_stat& stat);
  [[nodiscard]] bool window_full(std::size_t packet_size) const;
  ngtcp2_ssize offer_pieces(std::int64_t id, Stream& stream, std::span<std::uint8_t> out,
                            ngtcp2_pkt_info& info, std::size_t& taken, QuicClock::Stamp stamp);
  void end_burst(QuicClock::Stamp stamp);

  struct ConnectionDelete {
    void operator()(ngtcp2_conn* connection) const noexcept { ngtcp2_conn_del(connection); }
  };

  const QuicConfig config_;
  QuicEvents& events_;
  const Side side_;
  QuicClock clock_;
  std::unique_ptr<QuicTls> tls_;
  std::unique_ptr<ngtcp2_conn, ConnectionDelete> connection_;
  Phase phase_ = Phase::handshaking;
  bool in_library_ = false;      // a handler runs inside ngtcp2: nothing may be written
  bool wrong_protocol_ = false;  // TLS succeeded without our ALPN
  bool forgetting_ = false;      // the TLS session is to go when nothing runs inside the library

  std::vector<ConnectionId> own_ids_;
  Streams streams_;
  std::deque<std::int64_t> turns_;     // streams with something to send, the next one first
  std::vector<std::int64_t> blocked_;  // streams that wait for credit
  std::vector<PendingReset> resets_;
  std::uint64_t grown_ = 0;            // of all streams' windows, beyond the first
  std::vector<std::int64_t> stopped_;  // by the peer, found while the current packet was written

  QuicPacer pacer_;
  std::optional<base::TimePoint> overrun_since_;
  std::optional<base::TimePoint> kicked_;  // nothing authenticated has come in since

  std::optional<Farewell> farewell_;
  base::Bytes farewell_packet_;
  std::uint64_t packets_after_end_ = 0;
  bool repeat_due_ = false;
};

}  // namespace p2pd::net
