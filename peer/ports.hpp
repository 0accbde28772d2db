// What a peer needs of the world besides ICE: a way through the relays, the store, someone who is told. Small
// interfaces, implemented by daemon/ over real parts and by tests/sim over fakes. All calls are made on the
// peer's thread; completions come back on it, never from inside the call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/ice.hpp"
#include "peer/path.hpp"
#include "peer/quality.hpp"
#include "proto/control_messages.hpp"

namespace p2pd::peer {

enum class Presence : std::uint8_t { unknown, here, gone, unavailable };

// Datagrams to one peer by way of a relay; which relay is its business.
class RelayPort {
 public:
  // False: no relay session is up, or its queue is full; the datagram is lost.
  virtual bool send(const base::PeerId& peer, base::ByteView datagram) = 0;
  // At least one authenticated relay session is up.
  [[nodiscard]] virtual bool online() const = 0;

 protected:
  ~RelayPort() = default;
};

struct OutboxMessage {
  std::uint64_t sequence = 0;  // per peer, from 1, without gaps at creation (cancelled ones leave gaps)
  std::string id;              // 32 hex digits
  base::WallTime created{};
  std::string content_type;
  std::string reply_to;  // a message ID or empty
  base::Bytes data;
};

struct InboxMessage {
  std::uint64_t sequence = 0;  // the sender's
  std::string id;
  base::WallTime sent{};
  std::string content_type;
  std::string reply_to;
  base::Bytes data;
};

struct InboundCommit {
  std::uint64_t high_water = 0;  // the highest sequence now safely stored
  bool full = false;             // the quota is used up: nothing above high_water was taken
};

class MessageStore {
 public:
  // Messages with a sequence above `after`, in order, at most `limit` and about `max_bytes`.
  virtual void load_outbox(const base::PeerId& peer, std::uint64_t after, std::size_t limit,
                           std::size_t max_bytes,
                           std::function<void(base::Result<std::vector<OutboxMessage>>)> done) = 0;
  // The peer has stored everything up to `sequence`: those rows go.
  virtual void outbox_delivered(const base::PeerId& peer, std::uint64_t sequence) = 0;
  // Rows and high-water mark in one durable transaction; sequences at or below the mark are dropped as
  // repeats. The acknowledgement may leave only after `done`.
  virtual void commit_inbox(const base::PeerId& peer, std::uint64_t epoch, std::vector<InboxMessage> messages,
                            std::function<void(base::Result<InboundCommit>)> done) = 0;
  // The mark for this sender's epoch, 0 for a new one.
  virtual void inbox_high_water(const base::PeerId& peer, std::uint64_t epoch,
                                std::function<void(base::Result<std::uint64_t>)> done) = 0;

 protected:
  ~MessageStore() = default;
};

// One attempt's history, told as it happens; the daemon stores it and turns it into events.
class PeerObserver {
 public:
  virtual void on_state_changed(const base::PeerId& peer, std::string_view state,
                                std::string_view reason) = 0;
  // `why` and `reason` as they are after the change.
  virtual void on_path_changed(const base::PeerId& peer, PathKind from, PathKind to, WhyNotDirect why,
                               std::string_view reason) = 0;
  // The reason why the connection is not direct became another one; `none`: it is direct.
  virtual void on_why_not_direct(const base::PeerId&, WhyNotDirect) {}
  virtual void on_established(const base::PeerId& peer, base::Duration to_relay) = 0;
  virtual void on_direct(const base::PeerId& peer, PathKind kind, base::Duration since_dial,
                         const net::IcePair& pair) = 0;
  // side: "local" or "remote"; state: gathered, sent, received, refused (with the reason), selected, failed.
  virtual void on_candidate(const base::PeerId& peer, std::string_view side, std::uint32_t generation,
                            const proto::Candidate& candidate, std::string_view state,
                            std::string_view reason) = 0;
  virtual void on_messages_delivered(const base::PeerId& peer, std::uint64_t up_to) = 0;
  virtual void on_messages_received(const base::PeerId& peer, std::uint64_t up_to) = 0;
  // The relays the peer says it is reached by.
  virtual void on_relay_hints(const base::PeerId& peer, const std::vector<std::string>& urls) = 0;
  // The connection moved to another path, or is about to end.
  virtual void on_quality(const base::PeerId&, const PeerQuality&) {}
  // The peer asks what this network allows: Peer::answer_net(), or silence.
  virtual void on_net_question(const base::PeerId&, std::uint64_t) {}
  // What the peer says of its network; asked for or not.
  virtual void on_net_report(const base::PeerId&, const proto::ControlNetReport&) {}

 protected:
  ~PeerObserver() = default;
};

}  // namespace p2pd::peer
