// All that concerns one remote peer: whether and when to dial it, which of the pair's connections stays, the
// session on it (QUIC over the Link, ICE, control stream, messages), pings, and what status shows. It does no
// I/O, reads no clock and starts no thread: inputs are calls, outputs go through PeerHost, RelayPort,
// MessageStore and PeerObserver, and one deadline tells when on_time() is due. Owned by the daemon's data
// plane, used on one thread. How it ends: shut_down(), then, once its `done` has run, destruction.
//
// Observers and completions are called from inside the Peer's own calls; they must not call it back at once
// (post instead) and must not destroy it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/ice.hpp"
#include "net/identity.hpp"
#include "net/quic_connection.hpp"
#include "peer/file_port.hpp"
#include "peer/path.hpp"
#include "peer/ports.hpp"
#include "peer/quality.hpp"
#include "peer/service_port.hpp"
#include "proto/candidate.hpp"
#include "proto/control_messages.hpp"

namespace p2pd::peer {

// The thread a peer lives on.
class PeerHost {
 public:
  [[nodiscard]] virtual base::TimePoint now() const = 0;
  // Peer::deadline() changed: re-arm the one timer that calls on_time(). kNever: no timer.
  virtual void deadline_changed(base::TimePoint deadline) = 0;
  // A fresh agent for one connection. It is stopped, and its end awaited, before it is destroyed.
  // `worked_before`: the address here by which the peer was reached directly last.
  [[nodiscard]] virtual std::unique_ptr<net::Ice> make_ice(
      net::IceEvents& events, const std::optional<proto::Endpoint>& worked_before) = 0;
  virtual void fill_random(std::span<std::uint8_t> out) = 0;

 protected:
  ~PeerHost() = default;
};

struct PeerConfig {
  std::shared_ptr<const net::Identity> identity;
  base::PeerId peer;
  std::uint64_t instance = 0;       // random, per start of the daemon
  std::uint64_t message_epoch = 0;  // names the outbox's numbering; made with the database
  bool wanted = false;              // as stored: dial whenever it is not connected
  bool outbox_waiting = false;      // the outbox holds something for this peer
  bool direct_allowed = true;       // the daemon's and the peer's setting together
  bool proxied = false;             // where direct is not allowed, a proxy is the reason
  proto::CandidatePolicy candidates;
  std::optional<proto::Endpoint> worked_before;  // of an earlier run
  std::vector<std::string> own_relays;           // told to the peer as hints, at most 255
  FileStore* files = nullptr;                    // outlives the peer; null: files are neither sent nor taken
  ServiceHost* services = nullptr;               // outlives the peer; null: no streams to services
};

enum class PeerState : std::uint8_t { idle, dialing, established, backoff };
[[nodiscard]] std::string_view to_string(PeerState state);

struct PeerStatus {
  PeerState state = PeerState::idle;
  std::optional<PathKind> path;  // of the established connection
  WhyNotDirect why_not_direct = WhyNotDirect::none;
  std::optional<base::Duration> rtt;
  // The ends of the selected pair while the path is direct or turn.
  std::optional<proto::Candidate> local_candidate;
  std::optional<proto::Candidate> remote_candidate;
  // From the start of this connection's dial (at the answering end: of its first packet).
  std::optional<base::Duration> to_relay;
  std::optional<base::Duration> to_direct;
  std::array<PathBytes, kPathKinds> bytes{};  // by PathKind, over all connections of this Peer
  std::uint64_t switches = 0;                 // path changes of this connection
  std::optional<PeerQuality> quality;         // of the established connection
  std::string connection;                     // names the connection in logs at both ends; empty without one
  std::string last_error;                     // why the last dial or connection failed; empty after success

  [[nodiscard]] bool operator==(const PeerStatus&) const = default;
};

struct PingReply {
  base::Duration rtt{};
  PathKind path = PathKind::relay;
};

class Peer {
 public:
  Peer(PeerConfig config, PeerHost& host, RelayPort& relay, MessageStore& store, PeerObserver& observer);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // The user's wish. connect() dials at once unless it is connected; disconnect() closes what there is.
  // Storing the wish is the caller's.
  void connect();
  void disconnect();
  [[nodiscard]] bool wanted() const;

  // One datagram from this peer by way of a relay.
  void on_relay_datagram(base::ByteView datagram);
  // RelayPort::online() changed.
  void on_relay_online(bool online);
  void on_presence(Presence presence);
  void on_network_changed();
  // The gateway maps ports now: where ICE has failed without one it is tried again.
  void on_port_mapping();
  // Messages for this peer were added to the store.
  void on_outbox_changed();

  // Offers a file until FileStore is told its outcome; one without a source is withdrawn, which dials nobody.
  // The same transfer again takes the place of what is on the list.
  void send_file(OutgoingFile file);
  // An incoming one that is under way is refused as cancelled.
  void cancel_incoming_file(const proto::TransferId& id);

  // Opens a stream to a service of the peer, dialling first where there is no connection; for how long is the
  // caller's to decide. `end` is told how it went.
  void open_service(const std::string& service, std::shared_ptr<StreamEnd> end);
  // One that waits for the connection still is forgotten, without another word. False: it does not wait.
  bool abandon_service(const StreamEnd& end);

  // The stored permission. Off takes effect at once: the agent is stopped, the relay carries on.
  void set_direct_allowed(bool allowed);
  // Off: no direct path for the connection that is there or comes next, until it ends (`connect
  // --no-direct`).
  void set_direct_allowed_once(bool allowed);
  // The relays to tell the peer of; told at once when connected.
  void set_own_relays(std::vector<std::string> urls);

  // One round trip on the control stream, dialling first where there is no connection. Errors: timed_out,
  // cancelled (shut down, disconnected), busy (64 are waiting).
  void ping(std::function<void(base::Result<PingReply>)> done, base::Duration timeout);

  // Over the control stream; the answer comes as PeerObserver::on_net_report. False: not connected.
  [[nodiscard]] bool ask_net(std::uint64_t id);
  // The answer to PeerObserver::on_net_question; lost when the connection is gone.
  void answer_net(const proto::ControlNetReport& report);

  [[nodiscard]] PeerStatus status() const;

  [[nodiscard]] base::TimePoint deadline() const;
  void on_time();

  // Closes with `code`, stops the agents; afterwards every other call is without effect. `done` runs when
  // nothing is left of them, possibly before this returns.
  void shut_down(net::CloseCode code, std::function<void()> done);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pd::peer
