// The rows of the store as its callers see them: plain values, without a rule in them. Times are the caller's
// wall clock; texts that name a state or a reason are stored as they come and are not interpreted here.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"

namespace p2pd::store {

enum class FilePolicy : std::uint8_t { refuse = 0, accept = 1 };

// --- The address book ---

struct PeerRow {
  base::PeerId id;
  std::string name;                 // unique, case-sensitive
  std::vector<std::string> relays;  // URLs, in order of preference
  bool wanted = false;              // keep a connection
  bool direct = true;               // a direct path is permitted
  FilePolicy files = FilePolicy::accept;
  base::WallTime added{};
};

// What is set is changed, the rest stays.
struct PeerChange {
  std::optional<std::string> name;
  std::optional<std::vector<std::string>> relays;
  std::optional<bool> wanted;
  std::optional<bool> direct;
  std::optional<FilePolicy> files;
};

// --- Invitations ---

struct InvitationRow {
  std::array<std::uint8_t, 8> id{};
  std::array<std::uint8_t, 16> secret{};  // never logged or listed
  std::string name;                       // what the joiner will be called, empty: the daemon chooses
  base::WallTime created{};
  base::WallTime expires{};
  std::optional<base::WallTime> revoked;
  std::optional<base::WallTime> used;
  std::optional<base::PeerId> peer;  // who used it
};

enum class InvitationOutcome : std::uint8_t {
  paired,    // used now: the joiner is a peer
  repeated,  // used before by the same key, which is still a peer: the answer may have been lost
  used,      // by another key, or by this one that was removed since
  revoked,
  expired,
  unknown,
  no_room,  // there are as many peers as there may be
};

struct InvitationUse {
  InvitationOutcome outcome = InvitationOutcome::unknown;
  std::optional<PeerRow> peer;  // as it is stored now, after `paired` and `repeated`
};

// --- Services that peers may use ---

struct ServiceRow {
  std::string name;         // unique
  std::string target;       // as the daemon writes it
  std::uint32_t owner = 0;  // the user who exposed it
  std::vector<base::PeerId> allow;
};

// --- Messages on their way out ---

// The number is the store's: per peer, from 1, never used twice, not even after the peer was removed and
// added.
struct OutboxRow {
  std::uint64_t sequence = 0;
  std::string id;  // 32 hex digits
  base::WallTime created{};
  std::string content_type;
  std::string reply_to;  // a message ID or empty
  base::Bytes data;
};

// A waiting message without its data, for lists.
struct OutboxEntry {
  base::PeerId peer;
  std::uint64_t sequence = 0;
  std::string id;
  base::WallTime created{};
  std::string content_type;
  std::string reply_to;
  std::uint64_t size = 0;  // bytes of data
};

struct OutboxRef {
  std::uint64_t sequence = 0;
  std::string id;
};

struct OutboxCount {
  base::PeerId peer;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

// --- Messages that arrived ---

struct InboundMessage {
  std::uint64_t sequence = 0;  // the sender's, 1 to 2^63 - 1
  std::string id;              // 32 hex digits, the sender's word: not unique
  base::WallTime sent{};
  std::string content_type;
  std::string reply_to;
  base::Bytes data;
};

struct InboxRow {
  std::uint64_t cursor = 0;  // this store's own order of arrival over all peers, growing, never used twice
  base::PeerId peer;
  base::WallTime received{};
  InboundMessage message;
};

struct InboxCommit {
  std::uint64_t high_water = 0;   // the highest sequence now safely stored
  std::uint64_t stored = 0;       // rows of this call that were new
  std::uint64_t last_cursor = 0;  // of the newest row stored by this call, 0 for none
  bool full = false;              // the quota is used up: nothing above high_water was taken
};

// --- Files ---

enum class TransferDirection : std::uint8_t { outgoing = 0, incoming = 1 };

// running: not over. storing (incoming): everything is there, and the file is about to get the name in
// `stored_name`. The others are over.
enum class TransferState : std::uint8_t { running = 0, storing = 1, done = 2, failed = 3, cancelled = 4 };

struct TransferRow {
  std::string id;  // 32 hex digits, the sender's choice, the same at both ends
  base::PeerId peer;
  TransferDirection direction = TransferDirection::outgoing;
  TransferState state = TransferState::running;
  std::string reason;  // of a failure or cancellation: a word
  std::string name;    // as offered
  std::uint64_t size = 0;
  std::uint64_t data_size = 0;  // outside holes
  std::int64_t mtime = 0;       // seconds since 1970
  std::uint32_t mtime_ns = 0;
  std::uint32_t mode = 0;
  base::WallTime created{};
  std::optional<base::WallTime> ended;
  // Outgoing: which file it is on this machine. `collected`: the outcome was told to the user. `settled`: the
  // peer knows of a failure or cancellation.
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool collected = false;
  bool settled = false;
  // Incoming: where it goes, how much of it is safely on disk, and under which name it is stored.
  std::string folder;
  std::uint64_t durable = 0;
  std::string stored_name;
};

// What is set is changed, the rest stays.
struct TransferChange {
  std::optional<TransferState> state;
  std::optional<std::string> reason;
  std::optional<base::WallTime> ended;
  std::optional<bool> collected;
  std::optional<bool> settled;
  std::optional<std::uint64_t> durable;
  std::optional<std::string> stored_name;
};

// What identifies a file on this machine, as far as the system tells.
struct FileIdentity {
  std::string name;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;
  std::uint32_t mtime_ns = 0;
};

// --- History ---

struct CandidateRow {
  std::string side;  // "local" or "remote"
  std::uint32_t generation = 0;
  std::string type;     // host, srflx, prflx, relay
  std::string address;  // with its port
  std::string state;    // gathered, sent, received, refused, selected, failed
  std::string reason;
  base::WallTime at{};  // of the latest change of state
};

// How good the attempt's connection was, in all.
struct QualityRow {
  std::optional<std::int64_t> rtt_us;
  std::optional<std::int64_t> jitter_us;
  std::uint64_t delivery_rate = 0;  // bytes a second
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t switches = 0;
  // Direct, turn, relay.
  std::array<std::uint64_t, 3> bytes_tx{};
  std::array<std::uint64_t, 3> bytes_rx{};
  std::array<std::int64_t, 3> time_ms{};
  [[nodiscard]] bool operator==(const QualityRow&) const = default;
};

struct PathRow {
  base::WallTime at{};
  std::string from;  // relay, direct, turn, or empty for none
  std::string to;
  std::string why_not_direct;  // after the change
  std::string reason;
  std::string local_candidate;
  std::string remote_candidate;
};

// The latest direct path with a peer.
struct WorkedRow {
  base::PeerId peer;
  std::string base;  // the address of this machine, without a port
  std::string local_candidate;
  std::string remote_candidate;
  base::WallTime at{};
};

struct AttemptRow {
  std::uint64_t id = 0;  // random, the caller's choice
  base::PeerId peer;
  base::WallTime started{};
  std::optional<base::WallTime> ended;
  std::string outcome;  // empty while it runs; "interrupted" when the program ended without saying more
  std::string reason;
  std::optional<std::chrono::milliseconds> to_relay;
  std::optional<std::chrono::milliseconds> to_direct;
  std::vector<CandidateRow> candidates;  // in order of first mention
  std::vector<PathRow> paths;            // in order
  std::optional<QualityRow> quality;     // as it was last told
};

struct AttemptChange {
  std::optional<base::WallTime> ended;
  std::optional<std::string> outcome;
  std::optional<std::string> reason;
  std::optional<std::chrono::milliseconds> to_relay;
  std::optional<std::chrono::milliseconds> to_direct;
};

}  // namespace p2pd::store
