// One QUIC v1 connection (RFC 9000) to one peer over a path it knows nothing of: mutual TLS 1.3 with pinned
// Ed25519 keys, ALPN "p2pd/1", BBR, no migration, no idle timeout, no 0-RTT. It does no I/O and reads no
// clock: datagrams and times are handed in, datagrams are fetched out. Owned by peer::Session, used on one
// thread. It ends by close() or by on_closed(); after either it only repeats its CONNECTION_CLOSE.
//
//   handshaking --on_confirmed--> confirmed --close() / peer / error--> closed
//        +--on_completed--> completed --^      (the client)
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/identity.hpp"

namespace p2pd::net {

enum class StreamId : std::int64_t {};

enum class QuicError {
  not_initial = 1,  // accept(): not the first packet of a QUIC v1 client
  tls_library,
  quic_library,
  not_open,      // not confirmed yet, or closed
  stream_limit,  // the peer's limit on open streams is reached
};
[[nodiscard]] boost::system::error_code make_error_code(QuicError error);

// Application error codes of CONNECTION_CLOSE, RESET_STREAM and STOP_SENDING (docs/protocol.md).
enum class CloseCode : std::uint64_t {
  none = 0,
  shutdown = 1,        // the daemon stops
  superseded = 2,      // another connection of the pair was kept
  disconnected = 3,    // the user said so
  protocol_error = 4,  // what the peer sent breaks docs/protocol.md
  removed = 5,         // the peer was removed from the address book
  internal_error = 6,
  refused = 7,    // stream: no such kind or service
  cancelled = 8,  // stream: the application gave up
  limit = 9,      // stream: a quota is used up
};

struct CloseReason {
  // self, peer: that end's application closed it. error: TLS or QUIC failed, at either end.
  enum class By { self, peer, error } by = By::error;
  std::uint64_t code = 0;  // CloseCode where `by` is self or peer; none when it was during the handshake
  bool authentication_failed = false;  // the other end's key is not the pinned one, or it rejected ours
  std::string text;  // a phrase; the peer's own words where `by` is peer, at most 200 bytes, not escaped
};

// What a connection tells its owner. Called from inside receive(), on_time() and write_packet() only; the
// handler may call back into the connection's stream functions and close(), but not destroy it.
class QuicEvents {
 public:
  // The client's side only: the server has proved its key; whether it took ours on_confirmed says. Streams
  // may be opened and written, so that what the server must hear first comes with the end of the handshake.
  virtual void on_completed() {}
  // Both ends are authenticated: the client's side has HANDSHAKE_DONE, the server's the client's Finished.
  virtual void on_confirmed() = 0;
  // The peer opened a bidirectional stream (its first bytes follow by on_stream_data).
  virtual void on_stream_opened(StreamId id) = 0;
  // In order, without gaps. Connection credit is returned at once; stream credit only by consume().
  virtual void on_stream_data(StreamId id, base::ByteView data, bool fin) = 0;
  // `count` further bytes of what was written have been acknowledged and released.
  virtual void on_stream_acknowledged(StreamId id, std::size_t count) = 0;
  // The peer will send no more (RESET_STREAM) or wants no more (STOP_SENDING; ngtcp2 0.12.1 shows that late,
  // when something is written, and without its code: it is that of a RESET_STREAM seen before, or 0).
  virtual void on_stream_reset(StreamId id, std::uint64_t code) = 0;
  virtual void on_stream_stopped(StreamId id, std::uint64_t code) = 0;
  // Both directions are over and acknowledged; the ID is not used again.
  virtual void on_stream_closed(StreamId id) = 0;
  // Once, whoever closed it. Streams end without further events. After an error of ours one more
  // write_packet() gives the CONNECTION_CLOSE that tells the peer: fetch it before letting go.
  virtual void on_closed(const CloseReason& reason) = 0;

 protected:
  ~QuicEvents() = default;
};

struct QuicConfig {
  std::shared_ptr<const Identity> identity;
  // The only key accepted from the other end.
  base::PeerId peer;
  // Flow-control windows, bytes: per stream at the start and at most (auto-tuned), per connection.
  std::uint64_t stream_window = 256 * 1024;
  std::uint64_t max_stream_window = 6 * 1024 * 1024;
  std::uint64_t connection_window = 16 * 1024 * 1024;
  // What auto-tuning may add to the windows of all streams together.
  std::uint64_t window_growth = 64 * 1024 * 1024;
  // Bidirectional streams the peer may have open at a time.
  std::uint64_t max_streams = 1200;
  // Used until a sample is there; the relay path's round trip where it is known.
  std::chrono::milliseconds initial_rtt{50};
  // Source of connection IDs and of the library's non-secret randomness; unset: the kernel. The simulation
  // sets it.
  std::function<void(std::span<std::uint8_t>)> random;
};

struct QuicStats {
  base::Duration smoothed_rtt{};
  base::Duration min_rtt{};
  base::Duration rtt_variation{};  // RFC 9002 5.3
  std::uint64_t bytes_in_flight = 0;
  std::uint64_t congestion_window = 0;
  std::uint64_t delivery_rate = 0;  // bytes a second
  std::uint64_t packets_lost = 0;
};

inline constexpr std::size_t kConnectionIdSize = 8;
inline constexpr std::size_t kMinDatagram = 1'200;   // RFC 9000 14.1; what every path carries
inline constexpr std::size_t kMaxDatagram = 16'000;  // the relay path's; 14 bits hold it

// What the first bytes of a QUIC packet say without keys. `initial` packets open a connection (RFC
// 9000 17.2.2).
struct PacketHeader {
  bool initial = false;
  base::ByteView destination;  // connection ID
};
[[nodiscard]] std::optional<PacketHeader> parse_packet_header(base::ByteView packet);

class QuicConnection {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<QuicConnection>> dial(QuicConfig config,
                                                                          QuicEvents& events,
                                                                          base::TimePoint now);
  // `initial` is the client's first packet; receive() it next, as any other.
  [[nodiscard]] static base::Result<std::unique_ptr<QuicConnection>> accept(QuicConfig config,
                                                                            QuicEvents& events,
                                                                            base::ByteView initial,
                                                                            base::TimePoint now);
  virtual ~QuicConnection() = default;

  // --- packets ---
  // True when `destination` is a connection ID that this end chose, or the one the client's first packets
  // went to.
  [[nodiscard]] virtual bool owns(base::ByteView destination) const = 0;
  // Returns true when at least one packet in it decrypted: authenticated by the peer's keys, so never before
  // TLS has finished at this end. Unauthenticated bytes change nothing. May call any event.
  virtual bool receive(base::ByteView packet, base::TimePoint now) = 0;
  // Fills `out` with the next packet, of at most out.size() (kMinDatagram or more) bytes; 0: nothing to send
  // now. The caller sends it or drops it: a dropped packet is a lost one. Call until 0 after every receive(),
  // on_time() and stream write.
  [[nodiscard]] virtual std::size_t write_packet(std::span<std::uint8_t> out, base::TimePoint now) = 0;
  [[nodiscard]] virtual base::TimePoint deadline() const = 0;
  virtual void on_time(base::TimePoint now) = 0;
  // The path died under the packets in flight: fire the loss timer now instead of at its back-off. Call
  // write_packet next, on the new path.
  virtual void kick(base::TimePoint now) = 0;

  // --- streams (all bidirectional) ---
  // Error: closed, not yet completed (client) or confirmed (server), or the peer's limit on open streams is
  // reached.
  [[nodiscard]] virtual base::Result<StreamId> open_stream() = 0;
  // Queues a copy of `data`; it is held until acknowledged. Returns the bytes not yet acknowledged, which the
  // caller bounds. An unknown or finished stream: 0, the data is dropped.
  virtual std::size_t write(StreamId id, base::ByteView data) = 0;
  virtual void finish(StreamId id) = 0;                 // FIN after what is queued
  virtual void reset(StreamId id, CloseCode code) = 0;  // RESET_STREAM and STOP_SENDING
  // STOP_SENDING alone: on_stream_data goes on until the peer has heard of it.
  virtual void stop_reading(StreamId id, CloseCode code) = 0;
  // Returns `count` bytes of credit to the stream's sender.
  virtual void consume(StreamId id, std::size_t count) = 0;
  [[nodiscard]] virtual std::size_t unacknowledged(StreamId id) const = 0;
  // Of these, what was never sent.
  [[nodiscard]] virtual std::size_t unsent(StreamId id) const = 0;

  // --- state ---
  [[nodiscard]] virtual bool confirmed() const = 0;
  [[nodiscard]] virtual bool closed() const = 0;
  // Something ack-eliciting is in flight or waits to be sent.
  [[nodiscard]] virtual bool outstanding() const = 0;
  [[nodiscard]] virtual QuicStats stats() const = 0;
  // RFC 8446 7.5 / RFC 5705: equal at both ends. After confirmation, before forget_handshake().
  [[nodiscard]] virtual base::Bytes export_secret(std::string_view label, std::size_t size) const = 0;
  // After confirmation: no more secrets will be asked for. Frees what only the handshake needed, an idle
  // connection is a tenth smaller then.
  virtual void forget_handshake() = 0;
  // Queues CONNECTION_CLOSE; on_closed follows from the next write_packet().
  virtual void close(CloseCode code, std::string_view text) = 0;
};

}  // namespace p2pd::net
