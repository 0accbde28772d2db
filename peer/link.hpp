// The Link: below the one QUIC connection of a peer, above the paths. It decides on which path the next QUIC
// datagram goes, by probes of its own (docs/protocol.md, "Link frames") and by what QUIC authenticated, and
// tells the other end when it moves. It does no I/O and reads no clock. Owned by peer::Session, used on the
// peer's thread; it never ends by itself, not even when all paths are silent: its owner judges that.
//
// Calls out (LinkSink): send_frame comes from inside any call below and must not call the Link. kick_quic and
// on_path_changed come last in a call, when the Link's state is settled: they may call it back.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "net/ice.hpp"
#include "peer/link_path.hpp"
#include "peer/path.hpp"
#include "peer/path_stats.hpp"
#include "proto/link_frames.hpp"

namespace p2pd::peer {

class LinkSink {
 public:
  // A Link frame, at most 8,900 bytes. On the relay path `sent` means a session took it.
  virtual net::SendOutcome send_frame(PathKind path, base::ByteView datagram) = 0;
  // The path under the packets in flight died: QuicConnection::kick, then flush.
  virtual void kick_quic() = 0;
  virtual void on_path_changed(PathKind from, PathKind to, std::string_view reason) = 0;
  // direct, turn: dead, and nothing was heard on it for 30 s (RFC 7675: the consent to send there has
  // expired). It is lost: nothing is sent on it until path_available().
  virtual void on_path_expired(PathKind kind) = 0;

 protected:
  ~LinkSink() = default;
};

// From QuicConnection::export_secret("EXPORTER-p2pd-link", 64): the first half is the dialler's `send`.
struct LinkKeys {
  std::array<std::uint8_t, 32> send{};
  std::array<std::uint8_t, 32> receive{};
};

class Link {
 public:
  using Random = std::function<void(std::span<std::uint8_t>)>;

  // The relay path is taken to be there until path_lost says otherwise. `random` makes probe nonces.
  Link(LinkSink& sink, base::TimePoint now, Random random);

  // After on_confirmed. Before it no frame is sent or understood and only the relay path is used.
  void set_keys(const LinkKeys& keys, base::TimePoint now);

  // direct, turn: ICE selected such a pair (again for another pair); relay: a session is up.
  void path_available(PathKind kind, base::TimePoint now);
  // ICE failed or was stopped; the last relay session went. `reason` appears in on_path_changed.
  void path_lost(PathKind kind, base::TimePoint now, std::string_view reason);
  // The same by someone's will (direct paths switched off): no sign of a bad path, so no demotion.
  void path_withdrawn(PathKind kind, base::TimePoint now, std::string_view reason);
  // ICE selected a pair of the other kind in place of the one it had (direct to turn or back). No death: what
  // went by the old pair goes by the new one at once, copied to the relay until it has answered.
  void path_replaced(PathKind from, PathKind to, base::TimePoint now);
  // Another interface or address: forgets demotions, cool-downs and packet sizes, probes every path at once.
  void network_changed(base::TimePoint now);

  // A datagram whose two top bits are 10. What does not authenticate, or repeats, changes nothing.
  void receive(PathKind arrived_on, base::ByteView frame, base::TimePoint now);

  // `bytes` is the whole datagram. Unauthenticated ones change nothing. Call it after QuicConnection::receive
  // and before flushing.
  void on_quic_received(PathKind arrived_on, std::size_t bytes, bool authenticated, base::TimePoint now);
  // After each datagram given to a path, once a path.
  void on_quic_sent(PathKind path, std::size_t bytes, net::SendOutcome outcome, base::TimePoint now);
  // QuicConnection::outstanding(); call it after every flush, with the same value as often as you like.
  void set_outstanding(bool outstanding, base::TimePoint now);

  // Where the next QUIC datagram goes; `also`: a copy goes there, while `primary` is in doubt.
  struct Route {
    PathKind primary = PathKind::relay;
    std::optional<PathKind> also;
  };
  [[nodiscard]] Route route() const;
  // Room for the next QUIC packet, without its 2-byte prefix: what every path of route() takes.
  [[nodiscard]] std::size_t packet_size() const;

  [[nodiscard]] PathKind path() const;
  // `cooldown` while the direct path is barred, `path_flapping` while it is not in use and was left twice in
  // five minutes, else `none`.
  [[nodiscard]] WhyNotDirect flapping(base::TimePoint now) const;
  // Time since anything authenticated came in on any path. At idle up to 15 s (the heartbeat) is normal.
  [[nodiscard]] base::Duration all_paths_silent(base::TimePoint now) const;
  // For how long something of ours has waited for an answer while nothing came in on any path; zero while
  // nothing waits.
  [[nodiscard]] base::Duration waiting(base::TimePoint now) const;
  [[nodiscard]] const PathStats& stats(PathKind kind) const;
  // Changes of path() so far.
  [[nodiscard]] std::uint64_t switches() const;

  // Strictly later than `now` after on_time(now); kNever when there is nothing to wait for.
  [[nodiscard]] base::TimePoint deadline() const;
  void on_time(base::TimePoint now);

 private:
  struct Notice {
    PathKind from;
    PathKind to;
    std::string reason;
  };

  [[nodiscard]] LinkPath& at(PathKind kind) { return paths_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] const LinkPath& at(PathKind kind) const { return paths_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] LinkPath::Context context() const;

  void on_frame(PathKind arrived_on, const proto::LinkProbe& probe, const proto::LinkNonce& nonce,
                base::TimePoint now);
  void on_frame(PathKind arrived_on, const proto::LinkAnswer& answer, const proto::LinkNonce& nonce,
                base::TimePoint now);
  void on_frame(PathKind arrived_on, const proto::LinkSwitched& switched, const proto::LinkNonce& nonce,
                base::TimePoint now);

  // Everything that follows from what just changed: states, the choice of path, probes, then the sink.
  void settle(base::TimePoint now);
  void update_paths(base::TimePoint now);
  // True when the path in use changed.
  bool choose_path(base::TimePoint now);
  void move_to(PathKind chosen, bool died, std::string_view reason, base::TimePoint now);
  void send_due(base::TimePoint now);
  void tell_sink();

  void path_died(LinkPath& path, base::TimePoint now, std::string_view reason);
  void send_probe(LinkPath& path, std::size_t size, base::TimePoint now);
  net::SendOutcome answer(PathKind path, const proto::LinkProbe& probe, const proto::LinkNonce& nonce);
  void send_switched();
  void repeat_switched(base::TimePoint now);
  net::SendOutcome send(PathKind path, const proto::LinkNonce& nonce,
                        const std::variant<proto::LinkProbe, proto::LinkAnswer, proto::LinkSwitched>& body);

  LinkSink& sink_;
  Random random_;
  std::optional<LinkKeys> keys_;
  std::uint64_t counter_ = 0;
  proto::ReplayWindow seen_;

  std::array<LinkPath, kPathKinds> paths_;
  PathKind path_ = PathKind::relay;
  std::uint64_t switches_ = 0;
  std::uint64_t peer_switch_ = 0;  // the newest number that the other end announced
  std::string death_reason_;       // of the path in use, the last time it died
  // A lost `switched` leaves the other end on a dead path: it is said again a few times after a death.
  unsigned repeats_left_ = 0;
  base::TimePoint repeat_at_ = base::kNever;

  // A probe that came while there was no way to answer it: the other end's ICE had its pair a moment before
  // ours.
  struct Early {
    proto::LinkProbe probe;
    proto::LinkNonce nonce;
    base::TimePoint at;
  };
  std::optional<Early> early_;

  std::optional<base::TimePoint> outstanding_since_;
  base::TimePoint last_quic_;
  base::TimePoint last_received_;

  // For tell_sink().
  bool kick_ = false;
  std::optional<Notice> notice_;
  std::optional<PathKind> expired_;
};

}  // namespace p2pd::peer
