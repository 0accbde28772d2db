// One end of the short connection on which an invitation is taken up: QUIC through one relay, both keys
// proved as between peers, one stream, and no address told to anybody. It is apart from peer::Peer because
// its other end is no peer yet: nothing of a peer can be reached through it.
//
//   joiner:  join() --start()--> handshaking --confirmed--> asking --paired, refused--> answered --> over
//   inviter: admit() ----------> handshaking --ask came---> asked --answer()----------> answered --> over
//
// It does no I/O and reads no clock: packets and times are handed in, datagrams go out through `send`, and
// the owner looks at the state after each call. Owned by the daemon's Inviting or Joining, on one thread. How
// it ends: over() (closed, failed, or out of time), then destruction; it may be destroyed at any time before.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/identity.hpp"
#include "net/quic_connection.hpp"
#include "proto/pairing_frames.hpp"

namespace p2pd::peer {

struct PairingConfig {
  std::shared_ptr<const net::Identity> identity;
  base::PeerId other;
  std::vector<std::string> own_relays;  // told to the other end; at most proto::kMaxPairingRelays
  // One datagram for the other end by the relay; may be lost.
  std::function<void(base::ByteView datagram)> send;
};

class Pairing final : private net::QuicEvents {
 public:
  using Answer = std::variant<proto::PairingPaired, proto::PairingRefused>;
  // How long the other end may stay silent at first: it may not be there at all.
  static constexpr auto kFirstAnswer = std::chrono::seconds(2);
  // All of it, from the first packet to the close.
  static constexpr auto kWhole = std::chrono::seconds(15);

  // The joiner's: nothing is sent before start().
  [[nodiscard]] static base::Result<std::unique_ptr<Pairing>> join(PairingConfig config, base::TimePoint now);
  // The inviter's. `initial` is the joiner's first packet; give it to receive() next.
  [[nodiscard]] static base::Result<std::unique_ptr<Pairing>> admit(PairingConfig config,
                                                                    base::ByteView initial,
                                                                    base::TimePoint now);
  ~Pairing();
  Pairing(const Pairing&) = delete;
  Pairing& operator=(const Pairing&) = delete;

  // The joiner's: the connection ID that its first packet goes to, for the knock.
  [[nodiscard]] const std::array<std::uint8_t, net::kConnectionIdSize>& first_id() const { return first_id_; }
  void start(base::TimePoint now);

  [[nodiscard]] bool owns(base::ByteView connection_id) const { return quic_->owns(connection_id); }
  void receive(base::ByteView packet, base::TimePoint now);
  [[nodiscard]] base::TimePoint deadline() const;
  void on_time(base::TimePoint now);

  // The inviter's: what the joiner asked, once.
  [[nodiscard]] std::optional<proto::PairingAsk> take_ask();
  void answer(const Answer& answer, base::TimePoint now);

  // The joiner's: what the inviter answered.
  [[nodiscard]] const std::optional<Answer>& answered() const { return answer_; }

  void close(base::TimePoint now);
  [[nodiscard]] bool over() const { return over_; }
  // Why it is over without an answer: a phrase for the log.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  Pairing(PairingConfig config, bool joins, base::TimePoint now);
  [[nodiscard]] net::QuicConfig quic_config() const;
  void flush(base::TimePoint now);
  void send_packet(base::ByteView packet);
  void fail(std::string why);
  void handle(const proto::PairingFrame& frame);

  void on_confirmed() override;
  void on_stream_opened(net::StreamId id) override;
  void on_stream_data(net::StreamId id, base::ByteView data, bool fin) override;
  void on_stream_acknowledged(net::StreamId, std::size_t) override {}
  void on_stream_reset(net::StreamId id, std::uint64_t code) override;
  void on_stream_stopped(net::StreamId, std::uint64_t) override {}
  void on_stream_closed(net::StreamId) override {}
  void on_closed(const net::CloseReason& reason) override;

  const PairingConfig config_;
  const bool joins_;
  const base::TimePoint ends_;
  base::TimePoint silent_until_;  // the joiner's: kNever once something came back
  std::unique_ptr<net::QuicConnection> quic_;
  std::array<std::uint8_t, net::kConnectionIdSize> first_id_{};
  base::Bytes first_packet_;
  std::optional<net::StreamId> stream_;
  proto::PairingDeframer deframer_;
  bool asked_ = false;
  std::optional<proto::PairingAsk> ask_;
  std::optional<Answer> answer_;
  bool over_ = false;
  std::string failure_;
};

}  // namespace p2pd::peer
