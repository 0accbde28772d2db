// Everything that outlives the process but the identity key: the address book, invitations, the messages in
// both directions, the history of connections. Store owns one SQLite database and the one thread that reads
// and writes it.
//
// Calls may come from any thread and return at once; `done` runs through the `post` given with it, after the
// transaction has been committed and synced (reads: after the batch they were in). Without `post` it runs on
// the store thread, or inside the call when the call is refused. Calls take effect in the order in which they
// came. Everything that waits goes into one transaction; a call that fails takes no other with it, a COMMIT
// that fails fails every write in it. The queue is bounded: beyond it calls fail with `overloaded`. Records
// (history, deliveries nobody waits for) ride along with the next durable write or are flushed after
// Options::flush_after; they have no completion, and a lost one is logged. Without calls nothing is written
// and the thread does not wake. How it ends: stop() finishes what waits and closes the database; later calls
// complete with `cancelled`.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "store/error.hpp"
#include "store/types.hpp"

namespace p2pd::store {

// Hands a completion to the caller's own thread, e.g. by asio::post.
using Post = std::function<void(std::function<void()>)>;
template <class T>
using Done = std::function<void(base::Result<T>)>;

struct Options {
  // Per peer.
  std::uint64_t outbox_messages = 10'000;
  std::uint64_t outbox_bytes = 64 << 20;
  std::uint64_t inbox_messages = 10'000;
  std::uint64_t inbox_bytes = 64 << 20;
  std::uint64_t attempts = 200;
  std::chrono::hours attempt_age{30 * 24};
  // Transfers that are over; a repeated offer of one is answered from its row.
  std::uint64_t transfers = 1'000;
  std::chrono::hours transfer_age{90 * 24};
  // Of one attempt; a connection that lasts for weeks restarts ICE often.
  std::uint64_t attempt_candidates = 256;
  std::uint64_t attempt_paths = 256;

  std::uint64_t peers = 10'000;
  std::uint64_t services = 1'000;
  std::uint64_t invitations = 1'000;  // spent ones that are remembered included
  // After its expiry an invitation is remembered so long.
  std::chrono::hours invitation_memory{7 * 24};

  // New messages are refused with `disk_full` while less is free on the file system; 0 turns the check off.
  std::uint64_t disk_reserve = 64 << 20;
  std::chrono::milliseconds flush_after{1000};
  std::size_t queued_calls = 65'536;
  std::size_t queued_bytes = 64 << 20;

  // Replaced by tests only.
  std::function<std::optional<std::uint64_t>(const std::string& path)> free_space;  // bytes; nothing: unknown
  std::function<base::WallTime()> wall_clock = base::wall_now;
  std::string vfs;  // a registered SQLite VFS, empty for the system's
};

struct OpenReport {
  bool created = false;
  // A damaged database was found; it lies at `set_aside` now, and `damage` says what was wrong with it.
  std::optional<std::string> set_aside;
  std::string damage;
};

struct Statistics {
  std::uint64_t commits = 0;       // transactions that wrote
  std::uint64_t calls = 0;         // calls executed
  std::uint64_t timed_waits = 0;   // waits of the thread that had a deadline; an idle store has none
  std::uint64_t lost_records = 0;  // records without completion that could not be written
};

class Store {
 public:
  // Opens or makes the database (mode 0600) and brings its schema up to date. A damaged one is set aside as
  // PATH.damaged-<UTC time> and replaced by an empty one: see opened_report(). Errors: locked, newer_version,
  // foreign, cannot_open, read_only, disk_full, io.
  [[nodiscard]] static base::Result<std::unique_ptr<Store>> open(const std::string& path,
                                                                 Options options = {});
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Blocks until what waits is written and the database is closed. May be called again. Not from a completion
  // that runs on the store thread.
  void stop();

  [[nodiscard]] const OpenReport& opened_report() const;
  // The identity of this store's outbox numbering: random, made with the database.
  [[nodiscard]] std::uint64_t message_epoch() const;
  [[nodiscard]] Statistics statistics() const;
  // Reads nothing: completes when the store thread has come to it. Errors: overloaded, cancelled.
  void ping(Post post, Done<void> done);

  // --- The address book ---
  void load_peers(Post post, Done<std::vector<PeerRow>> done);
  // Adds, or replaces all but `added`. Errors: name_taken, invalid.
  void upsert_peer(PeerRow peer, Post post, Done<void> done);
  // With its messages and history. Error: not_found.
  void remove_peer(base::PeerId peer, Post post, Done<void> done);
  // Errors: not_found, name_taken, invalid.
  void set_peer(base::PeerId peer, PeerChange change, Post post, Done<void> done);
  void set_wanted(base::PeerId peer, bool wanted, Post post, Done<void> done);
  void set_relays(base::PeerId peer, std::vector<std::string> relays, Post post, Done<void> done);

  // --- Invitations ---
  // All that are remembered. A spent one stays for Options::invitation_memory, so that its holder can be told
  // why it is refused.
  void load_invitations(Post post, Done<std::vector<InvitationRow>> done);
  // Errors: already_exists (the ID), quota (Options::invitations, after those past their memory went).
  void add_invitation(InvitationRow invitation, Post post, Done<void> done);
  // Gives the row as it is afterwards. One that is used stays used. Error: not_found.
  void revoke_invitation(std::array<std::uint8_t, 8> id, Post post, Done<InvitationRow> done);
  // Takes an invitation up for `joiner.id`: checks once more that it is neither used nor revoked nor expired,
  // marks it used and stores the peer, all in one durable transaction. `joiner.name` is for an invitation
  // without a name; a name that is taken gets a number behind it. A peer that is known already keeps its
  // name, unless the invitation has one that is free, and its settings. Only failures of the database are
  // errors.
  void use_invitation(std::array<std::uint8_t, 8> id, PeerRow joiner, Post post, Done<InvitationUse> done);

  // --- Services ---
  void load_services(Post post, Done<std::vector<ServiceRow>> done);
  // Adds, or replaces the one of that name. Errors: not_found (one of the peers), quota (Options::services).
  void put_service(ServiceRow service, Post post, Done<void> done);
  // Error: not_found.
  void remove_service(std::string name, Post post, Done<void> done);

  // --- Outbox ---
  // `sequence` of each message is given here, in their order. One that cannot be taken leaves the others
  // alone; its errors: quota, already_exists (the ID). Errors of all: not_found (no such peer), disk_full.
  void append_outbox(base::PeerId peer, std::vector<OutboxRow> messages, Post post,
                     Done<std::vector<base::Result<OutboxRef>>> done);
  // Messages with a sequence above `after`, in order, at most `limit`, and no further one once `max_bytes`
  // are reached.
  void load_outbox(base::PeerId peer, std::uint64_t after, std::size_t limit, std::size_t max_bytes,
                   Post post, Done<std::vector<OutboxRow>> done);
  // The peer has stored everything up to `up_to`: those rows go; says which they were. A record when `done`
  // is empty: after a crash the peer gets them again and drops them as repeats.
  void outbox_delivered(base::PeerId peer, std::uint64_t up_to, Post post, Done<std::vector<OutboxRef>> done);
  // Of one peer or of all, in order of peer and sequence.
  void list_outbox(std::optional<base::PeerId> peer, std::size_t limit, Post post,
                   Done<std::vector<OutboxEntry>> done);
  // Error: not_found, also when it has just been delivered.
  void cancel_outbox(std::string id, Post post, Done<OutboxEntry> done);
  // Peers with something in their outbox.
  void outbox_counts(Post post, Done<std::vector<OutboxCount>> done);

  // --- Inbox ---
  // New messages and the high-water mark of (peer, epoch) in one durable transaction. The mark rises with
  // each message; what is at or below it is dropped as a repeat. Errors: not_found, invalid, disk_full.
  void commit_inbox(base::PeerId peer, std::uint64_t epoch, std::vector<InboundMessage> messages, Post post,
                    Done<InboxCommit> done);
  // 0 for a new epoch.
  void inbox_high_water(base::PeerId peer, std::uint64_t epoch, Post post, Done<std::uint64_t> done);
  // Messages with a cursor above `after`, of one peer or of all, bounded as in load_outbox.
  void list_inbox(std::optional<base::PeerId> peer, std::uint64_t after, std::size_t limit,
                  std::size_t max_bytes, Post post, Done<std::vector<InboxRow>> done);
  // Deletes what has a cursor of at most `up_to`; says how many messages that were.
  void ack_inbox(std::optional<base::PeerId> peer, std::uint64_t up_to, Post post, Done<std::uint64_t> done);

  // --- Files ---
  // Durable. Prunes older ones of the peer that are over. Errors: not_found (no such peer), already_exists
  // (the ID), disk_full, invalid.
  void add_transfer(TransferRow transfer, Post post, Done<void> done);
  // A record when `done` is empty. Error: not_found.
  void change_transfer(std::string id, TransferChange change, Post post, Done<void> done);
  // All that are not over, and outgoing ones that are not settled, by age.
  void load_transfers(Post post, Done<std::vector<TransferRow>> done);
  void find_transfer(std::string id, Post post, Done<std::optional<TransferRow>> done);
  // The latest outgoing one of this file that is done and not collected.
  void find_sent(base::PeerId peer, FileIdentity file, Post post, Done<std::optional<TransferRow>> done);
  // Those that are over, of one peer or of all, the latest first.
  void list_transfers(std::optional<base::PeerId> peer, std::size_t limit, Post post,
                      Done<std::vector<TransferRow>> done);
  // Bytes of incoming ones of the peer that are not over or were done since then.
  void incoming_bytes(base::PeerId peer, base::WallTime since, Post post, Done<std::uint64_t> done);

  // --- History: records ---
  // Prunes older attempts of the peer. Candidates and paths in the row are stored with it.
  void begin_attempt(AttemptRow attempt);
  // A candidate that is already there (side, generation, type, address) gets the new state.
  void add_candidate(std::uint64_t attempt, CandidateRow candidate);
  void add_path(std::uint64_t attempt, PathRow path);
  void update_attempt(std::uint64_t attempt, AttemptChange change);
  // Replaces the peer's.
  void set_worked(WorkedRow worked);
  void load_worked(Post post, Done<std::vector<WorkedRow>> done);
  // Replaces what was told before.
  void set_quality(std::uint64_t attempt, QualityRow quality);
  void finish_attempt(std::uint64_t attempt, std::string outcome, std::string reason, base::WallTime ended);
  // The latest first.
  void list_history(base::PeerId peer, std::size_t limit, Post post, Done<std::vector<AttemptRow>> done);

 private:
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace p2pd::store
