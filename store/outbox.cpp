#include <algorithm>
#include <limits>
#include <vector>

#include "store/parts.hpp"

namespace p2pd::store {
namespace {

using base::PeerId;
using base::Result;

// A sequence as it can be compared in the database: larger ones mean the same there.
std::uint64_t clamped(std::uint64_t sequence) {
  return std::min<std::uint64_t>(sequence, std::numeric_limits<std::int64_t>::max());
}

struct Mailbox {
  std::uint64_t last_sequence = 0;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

// Error: not_found; the row of a mailbox outlives its peer.
Result<Mailbox> read_mailbox(Session& session, const PeerId& peer) {
  Query query(session.database,
              "SELECT last_sequence, outbox_messages, outbox_bytes FROM mailboxes WHERE peer = ?1 AND EXISTS "
              "(SELECT 1 FROM peers WHERE id = ?1)",
              peer);
  if (query.next()) return Mailbox{query.natural(0), query.natural(1), query.natural(2)};
  if (query.failed()) return query.error();
  return store_error(StoreError::not_found, "no such peer");
}

Result<void> write_mailbox(Session& session, const PeerId& peer, const Mailbox& mailbox) {
  return session.database.run(
      "UPDATE mailboxes SET last_sequence = ?2, outbox_messages = ?3, outbox_bytes = ?4 WHERE peer = ?1",
      peer, mailbox.last_sequence, mailbox.messages, mailbox.bytes);
}

// Errors that are of this message alone: quota, already_exists.
Result<OutboxRef> insert(Session& session, const PeerId& peer, const OutboxRow& message, Mailbox& mailbox) {
  const std::uint64_t size = message.data.size();
  if (mailbox.messages >= session.options.outbox_messages ||
      mailbox.bytes + size > session.options.outbox_bytes) {
    return store_error(StoreError::quota, "outbox");
  }
  const auto stored = session.database.run(
      "INSERT INTO outbox (peer, sequence, id, created, content_type, reply_to, data) VALUES (?, ?, ?, ?, ?, "
      "?, ?)",
      peer, mailbox.last_sequence + 1, message.id, message.created, message.content_type, message.reply_to,
      message.data);
  if (!stored) {
    const bool repeated = stored.error().code == make_error_code(StoreError::already_exists);
    return repeated ? store_error(StoreError::already_exists, "a message ID") : stored.error();
  }
  ++mailbox.messages;
  mailbox.bytes += size;
  return OutboxRef{++mailbox.last_sequence, message.id};
}

bool is_of_one(const base::Error& error) {
  return error.code == make_error_code(StoreError::quota) ||
         error.code == make_error_code(StoreError::already_exists);
}

Result<std::vector<Result<OutboxRef>>> append(Session& session, const PeerId& peer,
                                              const std::vector<OutboxRow>& messages) {
  if (auto space = session.require_space(); !space) return space.error();
  auto mailbox = read_mailbox(session, peer);
  if (!mailbox) return mailbox.error();
  std::vector<Result<OutboxRef>> out;
  out.reserve(messages.size());
  for (const OutboxRow& message : messages) {
    out.push_back(insert(session, peer, message, *mailbox));
    if (!out.back() && !is_of_one(out.back().error())) return out.back().error();
  }
  if (auto written = write_mailbox(session, peer, *mailbox); !written) return written.error();
  return out;
}

Result<std::vector<OutboxRow>> load(Session& session, const PeerId& peer, std::uint64_t after,
                                    std::uint64_t limit, std::size_t max_bytes) {
  std::vector<OutboxRow> rows;
  std::size_t bytes = 0;
  Query query(session.database,
              "SELECT sequence, id, created, content_type, reply_to, data FROM outbox WHERE peer = ? AND "
              "sequence > ? "
              "ORDER BY sequence LIMIT ?",
              peer, clamped(after), clamped(limit));
  while ((rows.empty() || bytes < max_bytes) && query.next()) {
    rows.push_back(
        {query.natural(0), query.text(1), query.time(2), query.text(3), query.text(4), query.bytes(5)});
    bytes += rows.back().data.size();
  }
  if (query.failed()) return query.error();
  return rows;
}

Result<void> give_back(Session& session, const PeerId& peer, std::uint64_t messages, std::uint64_t bytes) {
  if (messages == 0) return {};
  return session.database.run(
      "UPDATE mailboxes SET outbox_messages = outbox_messages - ?2, outbox_bytes = outbox_bytes - ?3 WHERE "
      "peer = ?1",
      peer, messages, bytes);
}

// Read first, then deleted by one statement: RETURNING would keep each row in a table of its own in between.
Result<std::vector<OutboxRef>> delete_delivered(Session& session, const PeerId& peer, std::uint64_t up_to) {
  std::vector<OutboxRef> delivered;
  std::uint64_t bytes = 0;
  const std::uint64_t last = clamped(up_to);
  {
    Query query(
        session.database,
        "SELECT sequence, id, length(data) FROM outbox WHERE peer = ? AND sequence <= ? ORDER BY sequence",
        peer, last);
    while (query.next()) {
      delivered.push_back({query.natural(0), query.text(1)});
      bytes += query.natural(2);
    }
    if (query.failed()) return query.error();
  }
  if (delivered.empty()) return delivered;
  auto deleted = session.database.run("DELETE FROM outbox WHERE peer = ? AND sequence <= ?", peer, last);
  if (!deleted) return deleted.error();
  if (auto given = give_back(session, peer, delivered.size(), bytes); !given) return given.error();
  return delivered;
}

OutboxEntry read_entry(const Query& query) {
  return {query.peer(0), query.natural(1), query.text(2),   query.time(3),
          query.text(4), query.text(5),    query.natural(6)};
}

Result<std::vector<OutboxEntry>> read_entries(Query& query) {
  std::vector<OutboxEntry> entries;
  while (query.next()) entries.push_back(read_entry(query));
  if (query.failed()) return query.error();
  return entries;
}

Result<std::vector<OutboxEntry>> list(Session& session, const std::optional<PeerId>& peer,
                                      std::uint64_t limit) {
  if (peer) {
    Query query(
        session.database,
        "SELECT peer, sequence, id, created, content_type, reply_to, length(data) FROM outbox WHERE peer = ? "
        "ORDER BY sequence LIMIT ?",
        *peer, clamped(limit));
    return read_entries(query);
  }
  Query query(session.database,
              "SELECT peer, sequence, id, created, content_type, reply_to, length(data) FROM outbox "
              "ORDER BY peer, sequence LIMIT ?",
              clamped(limit));
  return read_entries(query);
}

Result<OutboxEntry> cancel(Session& session, const std::string& id) {
  Query query(session.database,
              "DELETE FROM outbox WHERE id = ? "
              "RETURNING peer, sequence, id, created, content_type, reply_to, length(data)",
              id);
  const auto entries = read_entries(query);
  if (!entries) return entries.error();
  if (entries->empty()) return store_error(StoreError::not_found, "no such message waits");
  const OutboxEntry& entry = entries->front();
  if (auto given = give_back(session, entry.peer, 1, entry.size); !given) return given.error();
  return entry;
}

Result<std::vector<OutboxCount>> count(Session& session) {
  std::vector<OutboxCount> counts;
  Query query(
      session.database,
      "SELECT peer, outbox_messages, outbox_bytes FROM mailboxes WHERE outbox_messages > 0 ORDER BY peer");
  while (query.next()) counts.push_back({query.peer(0), query.natural(1), query.natural(2)});
  if (query.failed()) return query.error();
  return counts;
}

}  // namespace

void Store::append_outbox(base::PeerId peer, std::vector<OutboxRow> messages, Post post,
                          Done<std::vector<base::Result<OutboxRef>>> done) {
  std::size_t size = messages.size() * sizeof(OutboxRow);
  for (const OutboxRow& message : messages) size += message.data.size() + message.content_type.size();
  call<std::vector<Result<OutboxRef>>>(
      parts_->writer, JobKind::durable, size, std::move(post), std::move(done),
      [peer, messages = std::move(messages)](Session& session) { return append(session, peer, messages); });
}

void Store::load_outbox(base::PeerId peer, std::uint64_t after, std::size_t limit, std::size_t max_bytes,
                        Post post, Done<std::vector<OutboxRow>> done) {
  call<std::vector<OutboxRow>>(
      parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
      [=](Session& session) { return load(session, peer, after, limit, max_bytes); });
}

void Store::outbox_delivered(base::PeerId peer, std::uint64_t up_to, Post post,
                             Done<std::vector<OutboxRef>> done) {
  const JobKind kind = done ? JobKind::durable : JobKind::record;
  call<std::vector<OutboxRef>>(parts_->writer, kind, 0, std::move(post), std::move(done),
                               [=](Session& session) { return delete_delivered(session, peer, up_to); });
}

void Store::list_outbox(std::optional<base::PeerId> peer, std::size_t limit, Post post,
                        Done<std::vector<OutboxEntry>> done) {
  call<std::vector<OutboxEntry>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                 [=](Session& session) { return list(session, peer, limit); });
}

void Store::cancel_outbox(std::string id, Post post, Done<OutboxEntry> done) {
  call<OutboxEntry>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
                    [id = std::move(id)](Session& session) { return cancel(session, id); });
}

void Store::outbox_counts(Post post, Done<std::vector<OutboxCount>> done) {
  call<std::vector<OutboxCount>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done), count);
}

}  // namespace p2pd::store
