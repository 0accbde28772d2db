#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "store/parts.hpp"

namespace p2pd::store {
namespace {

using base::PeerId;
using base::Result;

constexpr std::uint64_t kHighestStored = std::numeric_limits<std::int64_t>::max();
// Numberings remembered for one peer. A sender has one for its database's life; the bound is for one that
// makes them up.
constexpr int kEpochs = 8;

struct Usage {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

Result<std::uint64_t> read_mark(Session& session, const PeerId& peer, std::uint64_t epoch) {
  const auto mark =
      session.database.value("SELECT high_water FROM inbox_marks WHERE peer = ? AND epoch = ?", peer, epoch);
  if (!mark) return mark.error();
  return static_cast<std::uint64_t>(mark->value_or(0));
}

Result<void> write_mark(Session& session, const PeerId& peer, std::uint64_t epoch, std::uint64_t mark) {
  auto updated = session.database.run("UPDATE inbox_marks SET high_water = ?3 WHERE peer = ?1 AND epoch = ?2",
                                      peer, epoch, mark);
  if (!updated || session.database.changes() > 0) return updated;
  auto inserted = session.database.run("INSERT INTO inbox_marks (peer, epoch, high_water) VALUES (?, ?, ?)",
                                       peer, epoch, mark);
  if (!inserted) return inserted;
  return session.database.run(
      "DELETE FROM inbox_marks WHERE peer = ?1 AND row NOT IN "
      "(SELECT row FROM inbox_marks WHERE peer = ?1 ORDER BY row DESC LIMIT ?2)",
      peer, kEpochs);
}

Result<Usage> read_usage(Session& session, const PeerId& peer) {
  Query query(session.database,
              "SELECT inbox_messages, inbox_bytes FROM mailboxes WHERE peer = ?1 AND EXISTS "
              "(SELECT 1 FROM peers WHERE id = ?1)",
              peer);
  if (query.next()) return Usage{query.natural(0), query.natural(1)};
  if (query.failed()) return query.error();
  return store_error(StoreError::not_found, "no such peer");
}

Result<std::uint64_t> insert(Session& session, const PeerId& peer, base::WallTime now,
                             const InboundMessage& message) {
  const auto stored = session.database.run(
      "INSERT INTO inbox (peer, sequence, id, sent, received, content_type, reply_to, data) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      peer, message.sequence, message.id, message.sent, now, message.content_type, message.reply_to,
      message.data);
  if (!stored) return stored.error();
  return static_cast<std::uint64_t>(session.database.last_row());
}

Result<InboxCommit> commit(Session& session, const PeerId& peer, std::uint64_t epoch,
                           const std::vector<InboundMessage>& messages) {
  auto usage = read_usage(session, peer);
  if (!usage) return usage.error();
  const auto mark = read_mark(session, peer, epoch);
  if (!mark) return mark.error();
  InboxCommit result;
  result.high_water = *mark;
  std::uint64_t new_bytes = 0;
  const base::WallTime now = session.options.wall_clock();
  for (const InboundMessage& message : messages) {
    if (message.sequence > kHighestStored || message.sequence == 0) {
      return store_error(StoreError::invalid, fmt::format("sequence {}", message.sequence));
    }
    if (message.sequence <= result.high_water) continue;
    if (auto space = session.require_space(); !space) return space.error();
    const std::uint64_t bytes = usage->bytes + new_bytes + message.data.size();
    if (usage->messages + result.stored >= session.options.inbox_messages ||
        bytes > session.options.inbox_bytes) {
      result.full = true;
      break;
    }
    const auto cursor = insert(session, peer, now, message);
    if (!cursor) return cursor.error();
    result.last_cursor = *cursor;
    result.high_water = message.sequence;
    ++result.stored;
    new_bytes += message.data.size();
  }
  if (result.stored == 0) return result;
  if (auto marked = write_mark(session, peer, epoch, result.high_water); !marked) return marked.error();
  auto counted = session.database.run(
      "UPDATE mailboxes SET inbox_messages = inbox_messages + ?2, inbox_bytes = inbox_bytes + ?3 WHERE peer "
      "= ?1",
      peer, result.stored, new_bytes);
  if (!counted) return counted.error();
  return result;
}

Result<std::vector<InboxRow>> read_messages(Query& query, std::size_t max_bytes) {
  std::vector<InboxRow> rows;
  std::size_t bytes = 0;
  while ((rows.empty() || bytes < max_bytes) && query.next()) {
    InboxRow row;
    row.cursor = query.natural(0);
    row.peer = query.peer(1);
    row.received = query.time(2);
    row.message = {query.natural(3), query.text(4), query.time(5),
                   query.text(6),    query.text(7), query.bytes(8)};
    bytes += row.message.data.size();
    rows.push_back(std::move(row));
  }
  if (query.failed()) return query.error();
  return rows;
}

Result<std::vector<InboxRow>> list(Session& session, const std::optional<PeerId>& peer, std::uint64_t after,
                                   std::uint64_t limit, std::size_t max_bytes) {
  const std::uint64_t from = std::min(after, kHighestStored);
  const std::uint64_t at_most = std::min(limit, kHighestStored);
  if (peer) {
    Query query(session.database,
                "SELECT cursor, peer, received, sequence, id, sent, content_type, reply_to, data FROM inbox "
                "WHERE peer = ? AND cursor > ? ORDER BY cursor LIMIT ?",
                *peer, from, at_most);
    return read_messages(query, max_bytes);
  }
  Query query(session.database,
              "SELECT cursor, peer, received, sequence, id, sent, content_type, reply_to, data FROM inbox "
              "WHERE cursor > ? ORDER BY cursor LIMIT ?",
              from, at_most);
  return read_messages(query, max_bytes);
}

Result<std::map<PeerId, Usage>> collect(Query& query) {
  std::map<PeerId, Usage> counted;
  while (query.next()) {
    Usage& usage = counted[query.peer(0)];
    ++usage.messages;
    usage.bytes += query.natural(1);
  }
  if (query.failed()) return query.error();
  return counted;
}

Result<std::map<PeerId, Usage>> count_read(Session& session, const std::optional<PeerId>& peer,
                                           std::uint64_t last) {
  if (peer) {
    Query query(session.database, "SELECT peer, length(data) FROM inbox WHERE peer = ? AND cursor <= ?",
                *peer, last);
    return collect(query);
  }
  Query query(session.database, "SELECT peer, length(data) FROM inbox WHERE cursor <= ?", last);
  return collect(query);
}

Result<void> delete_read(Session& session, const std::optional<PeerId>& peer, std::uint64_t last) {
  if (!peer) return session.database.run("DELETE FROM inbox WHERE cursor <= ?", last);
  return session.database.run("DELETE FROM inbox WHERE peer = ? AND cursor <= ?", *peer, last);
}

Result<std::uint64_t> acknowledge(Session& session, const std::optional<PeerId>& peer, std::uint64_t up_to) {
  const std::uint64_t last = std::min(up_to, kHighestStored);
  // Counted first, then deleted by one statement: RETURNING would keep each row in a table of its own in
  // between.
  const auto read = count_read(session, peer, last);
  if (!read) return read.error();
  if (read->empty()) return 0;
  if (auto deleted = delete_read(session, peer, last); !deleted) return deleted.error();
  std::uint64_t messages = 0;
  for (const auto& [owner, usage] : *read) {
    auto counted = session.database.run(
        "UPDATE mailboxes SET inbox_messages = inbox_messages - ?2, inbox_bytes = inbox_bytes - ?3 WHERE "
        "peer = ?1",
        owner, usage.messages, usage.bytes);
    if (!counted) return counted.error();
    messages += usage.messages;
  }
  return messages;
}

}  // namespace

void Store::commit_inbox(base::PeerId peer, std::uint64_t epoch, std::vector<InboundMessage> messages,
                         Post post, Done<InboxCommit> done) {
  std::size_t size = messages.size() * sizeof(InboundMessage);
  for (const InboundMessage& message : messages) size += message.data.size();
  call<InboxCommit>(parts_->writer, JobKind::durable, size, std::move(post), std::move(done),
                    [peer, epoch, messages = std::move(messages)](Session& session) {
                      return commit(session, peer, epoch, messages);
                    });
}

void Store::inbox_high_water(base::PeerId peer, std::uint64_t epoch, Post post, Done<std::uint64_t> done) {
  call<std::uint64_t>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                      [=](Session& session) { return read_mark(session, peer, epoch); });
}

void Store::list_inbox(std::optional<base::PeerId> peer, std::uint64_t after, std::size_t limit,
                       std::size_t max_bytes, Post post, Done<std::vector<InboxRow>> done) {
  call<std::vector<InboxRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                              [=](Session& session) { return list(session, peer, after, limit, max_bytes); });
}

void Store::ack_inbox(std::optional<base::PeerId> peer, std::uint64_t up_to, Post post,
                      Done<std::uint64_t> done) {
  call<std::uint64_t>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
                      [=](Session& session) { return acknowledge(session, peer, up_to); });
}

}  // namespace p2pd::store
