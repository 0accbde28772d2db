#include <algorithm>
#include <limits>

#include "store/parts.hpp"

namespace p2pd::store {
namespace {

using base::PeerId;
using base::Result;

base::Error history_failure(const base::Error& error) {
  if (error.code != make_error_code(StoreError::not_found)) return error;
  return store_error(StoreError::not_found, "its peer or its attempt is gone");
}

// Past the bound the oldest of the attempt go.
Result<void> insert_candidate(Session& session, std::uint64_t attempt, const CandidateRow& row) {
  auto stored = session.database.run(
      "INSERT INTO candidates (attempt, side, generation, type, address, state, reason, at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (attempt, side, generation, type, address) "
      "DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at",
      attempt, row.side, row.generation, row.type, row.address, row.state, row.reason, row.at);
  if (!stored) return history_failure(stored.error());
  return session.database.run(
      "DELETE FROM candidates WHERE attempt = ?1 AND row <= "
      "(SELECT row FROM candidates WHERE attempt = ?1 ORDER BY row DESC LIMIT 1 OFFSET ?2)",
      attempt, session.options.attempt_candidates);
}

Result<void> insert_path(Session& session, std::uint64_t attempt, const PathRow& row) {
  auto stored = session.database.run(
      "INSERT INTO paths (attempt, at, from_path, to_path, why_not_direct, reason, local_candidate, "
      "remote_candidate) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      attempt, row.at, row.from, row.to, row.why_not_direct, row.reason, row.local_candidate,
      row.remote_candidate);
  if (!stored) return history_failure(stored.error());
  return session.database.run(
      "DELETE FROM paths WHERE attempt = ?1 AND row <= "
      "(SELECT row FROM paths WHERE attempt = ?1 ORDER BY row DESC LIMIT 1 OFFSET ?2)",
      attempt, session.options.attempt_paths);
}

Result<void> put_quality(Session& session, std::uint64_t attempt, const QualityRow& row) {
  auto stored = session.database.run(
      "INSERT INTO qualities (attempt, rtt_us, jitter_us, delivery_rate, packets_sent, packets_lost, "
      "switches, "
      "direct_tx, direct_rx, direct_ms, turn_tx, turn_rx, turn_ms, relay_tx, relay_rx, relay_ms) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (attempt) DO UPDATE SET "
      "rtt_us = excluded.rtt_us, jitter_us = excluded.jitter_us, delivery_rate = excluded.delivery_rate, "
      "packets_sent = excluded.packets_sent, packets_lost = excluded.packets_lost, "
      "switches = excluded.switches, "
      "direct_tx = excluded.direct_tx, direct_rx = excluded.direct_rx, direct_ms = excluded.direct_ms, "
      "turn_tx = excluded.turn_tx, turn_rx = excluded.turn_rx, turn_ms = excluded.turn_ms, "
      "relay_tx = excluded.relay_tx, relay_rx = excluded.relay_rx, relay_ms = excluded.relay_ms",
      attempt, row.rtt_us, row.jitter_us, row.delivery_rate, row.packets_sent, row.packets_lost, row.switches,
      row.bytes_tx[0], row.bytes_rx[0], row.time_ms[0], row.bytes_tx[1], row.bytes_rx[1], row.time_ms[1],
      row.bytes_tx[2], row.bytes_rx[2], row.time_ms[2]);
  if (!stored) return history_failure(stored.error());
  return {};
}

Result<void> put_worked(Session& session, const WorkedRow& row) {
  auto stored = session.database.run(
      "INSERT OR REPLACE INTO worked (peer, base, local_candidate, remote_candidate, at) "
      "VALUES (?, ?, ?, ?, ?)",
      row.peer, row.base, row.local_candidate, row.remote_candidate, row.at);
  if (!stored) return history_failure(stored.error());
  return {};
}

Result<std::vector<WorkedRow>> select_worked(Session& session) {
  std::vector<WorkedRow> rows;
  Query query(session.database, "SELECT peer, base, local_candidate, remote_candidate, at FROM worked");
  while (query.next())
    rows.push_back({query.peer(0), query.text(1), query.text(2), query.text(3), query.time(4)});
  if (query.failed()) return query.error();
  return rows;
}

// `now` is the newest attempt's time: the store asks no clock for it. Age is checked for every peer, since
// one that is never dialled again would keep its rows for ever.
Result<void> prune(Session& session, const PeerId& peer, base::WallTime now) {
  auto old =
      session.database.run("DELETE FROM attempts WHERE started < ?", now - session.options.attempt_age);
  if (!old) return old;
  return session.database.run(
      "DELETE FROM attempts WHERE peer = ?1 AND id IN "
      "(SELECT id FROM attempts WHERE peer = ?1 ORDER BY started DESC, id DESC LIMIT -1 OFFSET ?2)",
      peer, session.options.attempts);
}

Result<void> insert_attempt(Session& session, const AttemptRow& row) {
  auto stored = session.database.run(
      "INSERT INTO attempts (id, peer, started, ended, outcome, reason, to_relay, to_direct) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      row.id, row.peer, row.started, row.ended, row.outcome, row.reason, row.to_relay, row.to_direct);
  if (!stored) return history_failure(stored.error());
  for (const CandidateRow& candidate : row.candidates) {
    if (auto inserted = insert_candidate(session, row.id, candidate); !inserted) return inserted;
  }
  for (const PathRow& path : row.paths) {
    if (auto inserted = insert_path(session, row.id, path); !inserted) return inserted;
  }
  if (row.quality) {
    if (auto put = put_quality(session, row.id, *row.quality); !put) return put;
  }
  return prune(session, row.peer, row.started);
}

Result<void> change_attempt(Session& session, std::uint64_t attempt, const AttemptChange& change) {
  auto written = session.database.run(
      "UPDATE attempts SET ended = coalesce(?2, ended), outcome = coalesce(?3, outcome), "
      "reason = coalesce(?4, reason), to_relay = coalesce(?5, to_relay), to_direct = coalesce(?6, to_direct) "
      "WHERE id = ?1",
      attempt, change.ended, change.outcome, change.reason, change.to_relay, change.to_direct);
  if (!written) return written;
  if (session.database.changes() == 0) return store_error(StoreError::not_found, "no such attempt");
  return {};
}

Result<void> read_candidates(Session& session, AttemptRow& attempt) {
  Query query(session.database,
              "SELECT side, generation, type, address, state, reason, at FROM candidates WHERE attempt = ? "
              "ORDER BY row",
              attempt.id);
  while (query.next()) {
    attempt.candidates.push_back({query.text(0), static_cast<std::uint32_t>(query.integer(1)), query.text(2),
                                  query.text(3), query.text(4), query.text(5), query.time(6)});
  }
  return query.finish();
}

Result<void> read_paths(Session& session, AttemptRow& attempt) {
  Query query(
      session.database,
      "SELECT at, from_path, to_path, why_not_direct, reason, local_candidate, remote_candidate FROM paths "
      "WHERE attempt = ? ORDER BY row",
      attempt.id);
  while (query.next()) {
    attempt.paths.push_back({query.time(0), query.text(1), query.text(2), query.text(3), query.text(4),
                             query.text(5), query.text(6)});
  }
  return query.finish();
}

Result<void> read_quality(Session& session, AttemptRow& attempt) {
  Query query(session.database,
              "SELECT rtt_us, jitter_us, delivery_rate, packets_sent, packets_lost, switches, direct_tx, "
              "direct_rx, direct_ms, turn_tx, turn_rx, turn_ms, relay_tx, relay_rx, relay_ms FROM qualities "
              "WHERE attempt = ?",
              attempt.id);
  while (query.next()) {
    QualityRow& row = attempt.quality.emplace();
    if (!query.null(0)) row.rtt_us = query.integer(0);
    if (!query.null(1)) row.jitter_us = query.integer(1);
    row.delivery_rate = query.natural(2);
    row.packets_sent = query.natural(3);
    row.packets_lost = query.natural(4);
    row.switches = query.natural(5);
    for (int path = 0; path < 3; ++path) {
      const auto i = static_cast<std::size_t>(path);
      row.bytes_tx[i] = query.natural(6 + 3 * path);
      row.bytes_rx[i] = query.natural(7 + 3 * path);
      row.time_ms[i] = query.integer(8 + 3 * path);
    }
  }
  return query.finish();
}

std::optional<std::chrono::milliseconds> read_duration(const Query& query, int column) {
  if (query.null(column)) return std::nullopt;
  return std::chrono::milliseconds(query.integer(column));
}

Result<std::vector<AttemptRow>> select_history(Session& session, const PeerId& peer, std::size_t limit) {
  std::vector<AttemptRow> attempts;
  Query query(
      session.database,
      "SELECT id, started, ended, outcome, reason, to_relay, to_direct FROM attempts WHERE peer = ? "
      "ORDER BY started DESC, id DESC LIMIT ?",
      peer,
      static_cast<std::int64_t>(std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max())));
  while (query.next()) {
    AttemptRow row;
    row.id = query.natural(0);
    row.peer = peer;
    row.started = query.time(1);
    if (!query.null(2)) row.ended = query.time(2);
    row.outcome = query.text(3);
    row.reason = query.text(4);
    row.to_relay = read_duration(query, 5);
    row.to_direct = read_duration(query, 6);
    attempts.push_back(std::move(row));
  }
  if (query.failed()) return query.error();
  for (AttemptRow& attempt : attempts) {
    if (auto read = read_candidates(session, attempt); !read) return read.error();
    if (auto read = read_paths(session, attempt); !read) return read.error();
    if (auto read = read_quality(session, attempt); !read) return read.error();
  }
  return attempts;
}

}  // namespace

void Store::begin_attempt(AttemptRow attempt) {
  record(parts_->writer, sizeof attempt,
         [attempt = std::move(attempt)](Session& session) { return insert_attempt(session, attempt); });
}

void Store::add_candidate(std::uint64_t attempt, CandidateRow candidate) {
  record(parts_->writer, sizeof candidate, [attempt, candidate = std::move(candidate)](Session& session) {
    return insert_candidate(session, attempt, candidate);
  });
}

void Store::add_path(std::uint64_t attempt, PathRow path) {
  record(parts_->writer, sizeof path,
         [attempt, path = std::move(path)](Session& session) { return insert_path(session, attempt, path); });
}

void Store::set_quality(std::uint64_t attempt, QualityRow quality) {
  record(parts_->writer, sizeof quality,
         [attempt, quality](Session& session) { return put_quality(session, attempt, quality); });
}

void Store::set_worked(WorkedRow worked) {
  record(parts_->writer, sizeof worked,
         [worked = std::move(worked)](Session& session) { return put_worked(session, worked); });
}

void Store::load_worked(Post post, Done<std::vector<WorkedRow>> done) {
  call<std::vector<WorkedRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                               select_worked);
}

void Store::update_attempt(std::uint64_t attempt, AttemptChange change) {
  record(parts_->writer, sizeof change, [attempt, change = std::move(change)](Session& session) {
    return change_attempt(session, attempt, change);
  });
}

void Store::finish_attempt(std::uint64_t attempt, std::string outcome, std::string reason,
                           base::WallTime ended) {
  AttemptChange change;
  change.outcome = std::move(outcome);
  change.reason = std::move(reason);
  change.ended = ended;
  update_attempt(attempt, std::move(change));
}

void Store::list_history(base::PeerId peer, std::size_t limit, Post post,
                         Done<std::vector<AttemptRow>> done) {
  call<std::vector<AttemptRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                [=](Session& session) { return select_history(session, peer, limit); });
}

}  // namespace p2pd::store
