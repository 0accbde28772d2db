#include <algorithm>

#include <fmt/format.h>

#include "store/parts.hpp"
#include "store/peer_rows.hpp"

namespace p2pd::store {
namespace {

using base::PeerId;
using base::Result;

// Relays are stored one a line.
Result<std::string> join_relays(const std::vector<std::string>& relays) {
  std::string joined;
  for (const std::string& relay : relays) {
    if (relay.empty() || relay.find('\n') != std::string::npos) {
      return store_error(StoreError::invalid, "a relay's URL is empty or has a line break");
    }
    if (!joined.empty()) joined += '\n';
    joined += relay;
  }
  return joined;
}

std::vector<std::string> split_relays(const std::string& joined) {
  std::vector<std::string> relays;
  for (std::size_t begin = 0; begin < joined.size();) {
    const std::size_t end = std::min(joined.find('\n', begin), joined.size());
    relays.push_back(joined.substr(begin, end - begin));
    begin = end + 1;
  }
  return relays;
}

PeerRow read_row(const Query& query) {
  PeerRow row;
  row.id = query.peer(0);
  row.name = query.text(1);
  row.relays = split_relays(query.text(2));
  row.wanted = query.integer(3) != 0;
  row.direct = query.integer(4) != 0;
  row.files = query.integer(5) == 0 ? FilePolicy::refuse : FilePolicy::accept;
  row.added = query.time(6);
  return row;
}

Result<std::vector<PeerRow>> select_peers(Session& session) {
  std::vector<PeerRow> peers;
  Query query(session.database,
              "SELECT id, name, relays, wanted, direct, files, added FROM peers ORDER BY name");
  while (query.next()) peers.push_back(read_row(query));
  if (query.failed()) return query.error();
  return peers;
}

int stored(FilePolicy policy) { return static_cast<int>(policy); }

// Messages and history go with the row; the numbering in `mailboxes` stays (see migrations.cpp).
Result<void> delete_peer(Session& session, const PeerId& peer) {
  if (auto deleted = session.database.run("DELETE FROM peers WHERE id = ?", peer); !deleted) return deleted;
  if (session.database.changes() == 0) return store_error(StoreError::not_found, "no such peer");
  return session.database.run(
      "UPDATE mailboxes SET outbox_messages = 0, outbox_bytes = 0, inbox_messages = 0, inbox_bytes = 0 WHERE "
      "peer = ?",
      peer);
}

Result<void> change_peer(Session& session, const PeerId& peer, const PeerChange& change) {
  if (change.name) {
    if (auto free = check_peer_name(session, peer, *change.name); !free) return free;
  }
  std::optional<std::string> relays;
  if (change.relays) {
    auto joined = join_relays(*change.relays);
    if (!joined) return joined.error();
    relays = std::move(*joined);
  }
  std::optional<int> files;
  if (change.files) files = stored(*change.files);
  auto written = session.database.run(
      "UPDATE peers SET name = coalesce(?2, name), relays = coalesce(?3, relays), wanted = coalesce(?4, "
      "wanted), "
      "direct = coalesce(?5, direct), files = coalesce(?6, files) WHERE id = ?1",
      peer, change.name, relays, change.wanted, change.direct, files);
  if (!written) return written;
  if (session.database.changes() == 0) return store_error(StoreError::not_found, "no such peer");
  return {};
}

}  // namespace

Result<std::optional<PeerRow>> find_peer(Session& session, const PeerId& peer) {
  Query query(session.database,
              "SELECT id, name, relays, wanted, direct, files, added FROM peers WHERE id = ?", peer);
  std::optional<PeerRow> found;
  if (query.next()) found = read_row(query);
  if (query.failed()) return query.error();
  return found;
}

Result<void> check_peer_name(Session& session, const PeerId& peer, const std::string& name) {
  if (name.empty()) return store_error(StoreError::invalid, "a peer without a name");
  const auto taken = session.database.value("SELECT 1 FROM peers WHERE name = ? AND id <> ?", name, peer);
  if (!taken) return taken.error();
  if (*taken) return store_error(StoreError::name_taken, fmt::format("'{}'", name));
  return {};
}

Result<void> write_peer(Session& session, const PeerRow& row) {
  if (row.id.empty()) return store_error(StoreError::invalid, "a peer without an ID");
  if (auto free = check_peer_name(session, row.id, row.name); !free) return free;
  const auto relays = join_relays(row.relays);
  if (!relays) return relays.error();
  auto written = session.database.run(
      "INSERT INTO peers (id, name, relays, wanted, direct, files, added) VALUES (?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (id) DO UPDATE SET name = excluded.name, relays = excluded.relays, wanted = "
      "excluded.wanted, "
      "direct = excluded.direct, files = excluded.files",
      row.id, row.name, *relays, row.wanted, row.direct, stored(row.files), row.added);
  if (!written) return written;
  return session.database.run("INSERT OR IGNORE INTO mailboxes (peer) VALUES (?)", row.id);
}

void Store::load_peers(Post post, Done<std::vector<PeerRow>> done) {
  call<std::vector<PeerRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                             select_peers);
}

void Store::upsert_peer(PeerRow peer, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [peer = std::move(peer)](Session& session) { return write_peer(session, peer); });
}

void Store::remove_peer(base::PeerId peer, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [peer](Session& session) { return delete_peer(session, peer); });
}

void Store::set_peer(base::PeerId peer, PeerChange change, Post post, Done<void> done) {
  call<void>(
      parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
      [peer, change = std::move(change)](Session& session) { return change_peer(session, peer, change); });
}

void Store::set_wanted(base::PeerId peer, bool wanted, Post post, Done<void> done) {
  PeerChange change;
  change.wanted = wanted;
  set_peer(peer, std::move(change), std::move(post), std::move(done));
}

void Store::set_relays(base::PeerId peer, std::vector<std::string> relays, Post post, Done<void> done) {
  PeerChange change;
  change.relays = std::move(relays);
  set_peer(peer, std::move(change), std::move(post), std::move(done));
}

}  // namespace p2pd::store
