#include "store/migrations.hpp"

#include <array>

#include <fmt/format.h>

namespace p2pd::store {
namespace {

// A peer's row in `mailboxes` outlives the peer: an outbox number used twice under one message epoch would be
// dropped by the receiver as a repeat. So do the marks, or a peer that is removed and added again could store
// a message twice.
constexpr const char* kPeersAndMessages = R"sql(
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE peers (
    id BLOB PRIMARY KEY CHECK (length(id) = 32),
    name TEXT NOT NULL UNIQUE,
    relays TEXT NOT NULL,                -- URLs, one a line
    wanted INTEGER NOT NULL,
    direct INTEGER NOT NULL,
    files INTEGER NOT NULL,
    added INTEGER NOT NULL               -- this and every time: milliseconds since 1970
  ) WITHOUT ROWID;

  CREATE TABLE mailboxes (
    peer BLOB PRIMARY KEY CHECK (length(peer) = 32),
    last_sequence INTEGER NOT NULL DEFAULT 0,   -- the highest number given to an outgoing message
    outbox_messages INTEGER NOT NULL DEFAULT 0,
    outbox_bytes INTEGER NOT NULL DEFAULT 0,
    inbox_messages INTEGER NOT NULL DEFAULT 0,
    inbox_bytes INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;

  CREATE TABLE outbox (
    row INTEGER PRIMARY KEY,
    peer BLOB NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (peer, sequence)
  );

  CREATE TABLE inbox (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    peer BLOB NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    id TEXT NOT NULL,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    reply_to TEXT NOT NULL,
    data BLOB NOT NULL
  );
  CREATE INDEX inbox_by_peer ON inbox (peer, cursor);

  CREATE TABLE inbox_marks (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    peer BLOB NOT NULL,
    epoch INTEGER NOT NULL,              -- 64 bits, compared for equality only
    high_water INTEGER NOT NULL,
    UNIQUE (peer, epoch)
  );
)sql";

constexpr const char* kHistory = R"sql(
  CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,              -- 64 random bits
    peer BLOB NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    started INTEGER NOT NULL,
    ended INTEGER,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    to_relay INTEGER,                    -- milliseconds
    to_direct INTEGER
  );
  CREATE INDEX attempts_by_peer ON attempts (peer, started);
  CREATE INDEX attempts_by_age ON attempts (started);

  CREATE TABLE candidates (
    row INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    side TEXT NOT NULL,
    generation INTEGER NOT NULL,
    type TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (attempt, side, generation, type, address)
  );

  CREATE TABLE paths (
    row INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    from_path TEXT NOT NULL,
    to_path TEXT NOT NULL,
    why_not_direct TEXT NOT NULL,
    reason TEXT NOT NULL,
    local_candidate TEXT NOT NULL,
    remote_candidate TEXT NOT NULL
  );
  CREATE INDEX paths_by_attempt ON paths (attempt, row);
)sql";

// The secret stays with a spent invitation: it tells its holder, who is told why, from a stranger, who is
// not.
constexpr const char* kInvitations = R"sql(
  CREATE TABLE invitations (
    id BLOB PRIMARY KEY CHECK (length(id) = 8),
    secret BLOB NOT NULL CHECK (length(secret) = 16),
    name TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER,
    used INTEGER,
    peer BLOB CHECK (length(peer) = 32)  -- who used it; outlives the peer's row
  ) WITHOUT ROWID;
)sql";

constexpr const char* kTransfers = R"sql(
  CREATE TABLE transfers (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    peer BLOB NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    direction INTEGER NOT NULL,          -- 0 outgoing, 1 incoming
    state INTEGER NOT NULL,              -- 0 running, 1 storing, 2 done, 3 failed, 4 cancelled
    reason TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    data_size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,              -- seconds since 1970
    mtime_ns INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    device INTEGER NOT NULL,             -- 64 bits, compared for equality only, as is inode
    inode INTEGER NOT NULL,
    collected INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    folder TEXT NOT NULL,
    durable INTEGER NOT NULL,
    stored_name TEXT NOT NULL
  );
  CREATE INDEX transfers_by_peer ON transfers (peer, direction, state);
  CREATE INDEX transfers_by_state ON transfers (state, settled);
)sql";

constexpr const char* kQualities = R"sql(
  CREATE TABLE qualities (
    attempt INTEGER PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    rtt_us INTEGER,
    jitter_us INTEGER,
    delivery_rate INTEGER NOT NULL,      -- bytes a second
    packets_sent INTEGER NOT NULL,
    packets_lost INTEGER NOT NULL,
    switches INTEGER NOT NULL,
    direct_tx INTEGER NOT NULL, direct_rx INTEGER NOT NULL, direct_ms INTEGER NOT NULL,
    turn_tx INTEGER NOT NULL, turn_rx INTEGER NOT NULL, turn_ms INTEGER NOT NULL,
    relay_tx INTEGER NOT NULL, relay_rx INTEGER NOT NULL, relay_ms INTEGER NOT NULL
  );
)sql";

constexpr const char* kServices = R"sql(
  CREATE TABLE services (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    owner INTEGER NOT NULL               -- a user's number
  ) WITHOUT ROWID;

  CREATE TABLE service_peers (
    service TEXT NOT NULL REFERENCES services (name) ON DELETE CASCADE,
    peer BLOB NOT NULL REFERENCES peers (id) ON DELETE CASCADE,
    PRIMARY KEY (service, peer)
  ) WITHOUT ROWID;
  CREATE INDEX service_peers_by_peer ON service_peers (peer);
)sql";

// The candidates of the latest direct path with each peer; `base` is where packets left this machine.
constexpr const char* kWorked = R"sql(
  CREATE TABLE worked (
    peer BLOB PRIMARY KEY REFERENCES peers (id) ON DELETE CASCADE,
    base TEXT NOT NULL,
    local_candidate TEXT NOT NULL,
    remote_candidate TEXT NOT NULL,
    at INTEGER NOT NULL
  ) WITHOUT ROWID;
)sql";

constexpr std::array kMigrations = {kPeersAndMessages, kHistory,  kInvitations, kTransfers,
                                    kQualities,        kServices, kWorked};

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

base::Result<std::int64_t> schema_version(Database& database) {
  const auto version = database.value("PRAGMA user_version");
  if (!version) return version.error();
  return version->value_or(0);
}

base::Result<void> check_schema(Database& database, std::int64_t known) {
  const auto tables = database.value("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (tables->value_or(0) == 0) return {};  // new, or made a moment ago by a program that was killed
  const auto application = database.value("PRAGMA application_id");
  if (!application) return application.error();
  const auto version = schema_version(database);
  if (!version) return version.error();
  if (application->value_or(0) != kApplicationId || *version < 1) {
    return store_error(StoreError::foreign, "not a database of p2pd");
  }
  if (*version > known) {
    return store_error(
        StoreError::newer_version,
        fmt::format("made by a newer p2pd (schema {}, this program knows {})", *version, known));
  }
  return {};
}

base::Result<void> migrate(Database& database, std::span<const char* const> steps) {
  const auto version = schema_version(database);
  if (!version) return version.error();
  for (std::size_t done = static_cast<std::size_t>(*version); done < steps.size(); ++done) {
    Transaction transaction(database);
    if (auto begun = transaction.begin(); !begun) return begun;
    const std::string number =
        fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {};", done + 1, kApplicationId);
    for (const std::string& sql : {std::string(steps[done]), number}) {
      if (auto executed = database.execute(sql); !executed) return executed;
    }
    if (auto committed = transaction.commit(); !committed) return committed;
  }
  return {};
}

}  // namespace p2pd::store
