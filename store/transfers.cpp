#include <limits>

#include "store/parts.hpp"

namespace p2pd::store {
namespace {

using base::PeerId;
using base::Result;

#define P2PD_TRANSFER_COLUMNS                                                                          \
  "id, peer, direction, state, reason, name, size, data_size, mtime, mtime_ns, mode, created, ended, " \
  "device, inode, collected, settled, folder, durable, stored_name"

constexpr int kStoring = static_cast<int>(TransferState::storing);
constexpr int kDone = static_cast<int>(TransferState::done);

template <class Enum>
int stored(Enum value) {
  return static_cast<int>(value);
}

bool fits(std::uint64_t value) { return value <= std::numeric_limits<std::int64_t>::max(); }

TransferRow read_transfer(const Query& query) {
  TransferRow row;
  row.id = query.text(0);
  row.peer = query.peer(1);
  row.direction = query.integer(2) == 0 ? TransferDirection::outgoing : TransferDirection::incoming;
  row.state = static_cast<TransferState>(query.integer(3));
  row.reason = query.text(4);
  row.name = query.text(5);
  row.size = query.natural(6);
  row.data_size = query.natural(7);
  row.mtime = query.integer(8);
  row.mtime_ns = static_cast<std::uint32_t>(query.natural(9));
  row.mode = static_cast<std::uint32_t>(query.natural(10));
  row.created = query.time(11);
  if (!query.null(12)) row.ended = query.time(12);
  row.device = query.natural(13);
  row.inode = query.natural(14);
  row.collected = query.integer(15) != 0;
  row.settled = query.integer(16) != 0;
  row.folder = query.text(17);
  row.durable = query.natural(18);
  row.stored_name = query.text(19);
  return row;
}

Result<std::vector<TransferRow>> read_transfers(Query& query) {
  std::vector<TransferRow> rows;
  while (query.next()) rows.push_back(read_transfer(query));
  if (query.failed()) return query.error();
  return rows;
}

Result<std::optional<TransferRow>> read_one(Query& query) {
  const auto rows = read_transfers(query);
  if (!rows) return rows.error();
  return rows->empty() ? std::optional<TransferRow>() : std::optional(rows->front());
}

Result<void> prune(Session& session, const TransferRow& row) {
  // The age is counted from the newest one: the store reads no clock for it.
  const auto oldest = row.created - session.options.transfer_age;
  if (auto aged = session.database.run("DELETE FROM transfers WHERE peer = ? AND state >= ? AND created < ?",
                                       row.peer, kDone, oldest);
      !aged) {
    return aged;
  }
  return session.database.run(
      "DELETE FROM transfers WHERE peer = ?1 AND state >= ?2 AND row NOT IN (SELECT row FROM transfers WHERE "
      "peer = ?1 AND state >= ?2 ORDER BY row DESC LIMIT ?3)",
      row.peer, kDone, session.options.transfers);
}

Result<void> add(Session& session, const TransferRow& row) {
  if (!fits(row.size) || row.data_size > row.size || !fits(row.durable)) {
    return store_error(StoreError::invalid, "a transfer's size");
  }
  if (auto space = session.require_space(); !space) return space;
  if (auto pruned = prune(session, row); !pruned) return pruned;
  auto inserted = session.database.run(
      "INSERT INTO transfers (" P2PD_TRANSFER_COLUMNS
      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.id, row.peer, stored(row.direction), stored(row.state), row.reason, row.name, row.size,
      row.data_size, row.mtime, row.mtime_ns, row.mode, row.created, row.ended, row.device, row.inode,
      row.collected, row.settled, row.folder, row.durable, row.stored_name);
  if (!inserted && inserted.error().code == make_error_code(StoreError::already_exists)) {
    return store_error(StoreError::already_exists, "a transfer's ID");
  }
  return inserted;
}

Result<void> change(Session& session, const std::string& id, const TransferChange& to) {
  std::optional<int> state;
  if (to.state) state = stored(*to.state);
  auto written = session.database.run(
      "UPDATE transfers SET state = coalesce(?2, state), reason = coalesce(?3, reason), ended = coalesce(?4, "
      "ended), collected = coalesce(?5, collected), settled = coalesce(?6, settled), durable = coalesce(?7, "
      "durable), stored_name = coalesce(?8, stored_name) WHERE id = ?1",
      id, state, to.reason, to.ended, to.collected, to.settled, to.durable, to.stored_name);
  if (!written) return written;
  if (session.database.changes() == 0) return store_error(StoreError::not_found, "no such transfer");
  return {};
}

Result<std::vector<TransferRow>> load(Session& session) {
  Query query(
      session.database,
      "SELECT " P2PD_TRANSFER_COLUMNS
      " FROM transfers WHERE state <= ? OR (direction = 0 AND state > ? AND settled = 0) ORDER BY row",
      kStoring, kDone);
  return read_transfers(query);
}

Result<std::optional<TransferRow>> find(Session& session, const std::string& id) {
  Query query(session.database, "SELECT " P2PD_TRANSFER_COLUMNS " FROM transfers WHERE id = ?", id);
  return read_one(query);
}

Result<std::optional<TransferRow>> find_sent_file(Session& session, const PeerId& peer,
                                                  const FileIdentity& file) {
  Query query(session.database,
              "SELECT " P2PD_TRANSFER_COLUMNS
              " FROM transfers WHERE peer = ? AND direction = 0 AND state = ? AND collected = 0 AND name = ? "
              "AND device = ? AND inode = ? AND size = ? AND mtime = ? AND mtime_ns = ? ORDER BY row DESC "
              "LIMIT 1",
              peer, kDone, file.name, file.device, file.inode, file.size, file.mtime, file.mtime_ns);
  return read_one(query);
}

Result<std::vector<TransferRow>> list(Session& session, const std::optional<PeerId>& peer,
                                      std::uint64_t limit) {
  if (peer) {
    Query query(session.database,
                "SELECT " P2PD_TRANSFER_COLUMNS
                " FROM transfers WHERE state >= ? AND peer = ? ORDER BY row DESC LIMIT ?",
                kDone, *peer, limit);
    return read_transfers(query);
  }
  Query query(session.database,
              "SELECT " P2PD_TRANSFER_COLUMNS " FROM transfers WHERE state >= ? ORDER BY row DESC LIMIT ?",
              kDone, limit);
  return read_transfers(query);
}

// As a floating-point sum: sizes are up to 2^62 and SQLite's integer sum fails when it overflows.
Result<std::uint64_t> count_incoming(Session& session, const PeerId& peer, base::WallTime since) {
  const auto sum = session.database.value(
      "SELECT CAST(min(total(size), 4e18) AS INTEGER) FROM transfers WHERE peer = ? AND direction = 1 AND "
      "(state <= ? OR (state = ? AND ended >= ?))",
      peer, kStoring, kDone, since);
  if (!sum) return sum.error();
  return static_cast<std::uint64_t>(sum->value_or(0));
}

}  // namespace

void Store::add_transfer(TransferRow transfer, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [transfer = std::move(transfer)](Session& session) { return add(session, transfer); });
}

void Store::change_transfer(std::string id, TransferChange to, Post post, Done<void> done) {
  const JobKind kind = done ? JobKind::durable : JobKind::record;
  call<void>(parts_->writer, kind, 0, std::move(post), std::move(done),
             [id = std::move(id), to = std::move(to)](Session& session) { return change(session, id, to); });
}

void Store::load_transfers(Post post, Done<std::vector<TransferRow>> done) {
  call<std::vector<TransferRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done), load);
}

void Store::find_transfer(std::string id, Post post, Done<std::optional<TransferRow>> done) {
  call<std::optional<TransferRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                   [id = std::move(id)](Session& session) { return find(session, id); });
}

void Store::find_sent(base::PeerId peer, FileIdentity file, Post post,
                      Done<std::optional<TransferRow>> done) {
  call<std::optional<TransferRow>>(
      parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
      [peer, file = std::move(file)](Session& session) { return find_sent_file(session, peer, file); });
}

void Store::list_transfers(std::optional<base::PeerId> peer, std::size_t limit, Post post,
                           Done<std::vector<TransferRow>> done) {
  call<std::vector<TransferRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                 [=](Session& session) { return list(session, peer, limit); });
}

void Store::incoming_bytes(base::PeerId peer, base::WallTime since, Post post, Done<std::uint64_t> done) {
  call<std::uint64_t>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                      [=](Session& session) { return count_incoming(session, peer, since); });
}

}  // namespace p2pd::store
