#include <algorithm>

#include <fmt/format.h>

#include "store/parts.hpp"
#include "store/peer_rows.hpp"

namespace p2pd::store {
namespace {

using base::ByteView;
using base::PeerId;
using base::Result;
using Id = std::array<std::uint8_t, 8>;
using Outcome = InvitationOutcome;

constexpr std::size_t kMaxName = 63;

InvitationRow read_row(const Query& query) {
  InvitationRow row;
  const auto copy = [](ByteView from, auto& to) {
    if (from.size() == to.size()) std::copy(from.begin(), from.end(), to.begin());
  };
  copy(query.blob(0), row.id);
  copy(query.blob(1), row.secret);
  row.name = query.text(2);
  row.created = query.time(3);
  row.expires = query.time(4);
  if (!query.null(5)) row.revoked = query.time(5);
  if (!query.null(6)) row.used = query.time(6);
  if (!query.null(7)) row.peer = query.peer(7);
  return row;
}

Result<std::vector<InvitationRow>> select_all(Session& session) {
  std::vector<InvitationRow> rows;
  Query query(session.database,
              "SELECT id, secret, name, created, expires, revoked, used, peer FROM invitations "
              "ORDER BY created, id");
  while (query.next()) rows.push_back(read_row(query));
  if (query.failed()) return query.error();
  return rows;
}

Result<std::optional<InvitationRow>> find(Session& session, const Id& id) {
  Query query(session.database,
              "SELECT id, secret, name, created, expires, revoked, used, peer FROM invitations WHERE id = ?",
              ByteView(id));
  std::optional<InvitationRow> row;
  if (query.next()) row = read_row(query);
  if (query.failed()) return query.error();
  return row;
}

Result<void> insert(Session& session, const InvitationRow& row) {
  const base::WallTime forget = session.options.wall_clock() - session.options.invitation_memory;
  if (auto gone = session.database.run("DELETE FROM invitations WHERE expires < ?", forget); !gone)
    return gone;
  const auto count = session.database.value("SELECT count(*) FROM invitations");
  if (!count) return count.error();
  if (static_cast<std::uint64_t>(count->value_or(0)) >= session.options.invitations) {
    return store_error(StoreError::quota,
                       fmt::format("{} invitations are remembered, the most there may be; they are "
                                   "forgotten a week after they expire",
                                   session.options.invitations));
  }
  const auto there = find(session, row.id);
  if (!there) return there.error();
  if (*there) return store_error(StoreError::already_exists, "an invitation with this ID");
  return session.database.run(
      "INSERT INTO invitations (id, secret, name, created, expires) VALUES (?, ?, ?, ?, ?)", ByteView(row.id),
      ByteView(row.secret), row.name, row.created, row.expires);
}

Result<InvitationRow> revoke(Session& session, const Id& id) {
  auto row = find(session, id);
  if (!row) return row.error();
  if (!*row) return store_error(StoreError::not_found, "no such invitation");
  InvitationRow& found = **row;
  if (found.used || found.revoked) return found;
  found.revoked = session.options.wall_clock();
  auto written = session.database.run("UPDATE invitations SET revoked = ? WHERE id = ?", *found.revoked,
                                      ByteView(found.id));
  if (!written) return written.error();
  return found;
}

// `wanted`, or the first of wanted-2, wanted-3, ... that nobody has.
Result<std::string> free_name(Session& session, const PeerId& peer, const std::string& wanted) {
  std::string name = wanted;
  for (int number = 2;; ++number) {
    const auto checked = check_peer_name(session, peer, name);
    if (checked) return name;
    if (checked.error().code != make_error_code(StoreError::name_taken)) return checked.error();
    const std::string suffix = fmt::format("-{}", number);
    name = wanted.substr(0, kMaxName - suffix.size()) + suffix;
  }
}

// The peer's row as it is to be, from what was there and what the invitation says.
Result<PeerRow> merge(Session& session, const InvitationRow& invitation, const PeerRow& joiner,
                      const std::optional<PeerRow>& before) {
  PeerRow row = before.value_or(joiner);
  if (!joiner.relays.empty()) row.relays = joiner.relays;
  if (!before) {
    auto name = free_name(session, joiner.id, invitation.name.empty() ? joiner.name : invitation.name);
    if (!name) return name.error();
    row.name = std::move(*name);
  } else if (!invitation.name.empty() && check_peer_name(session, joiner.id, invitation.name)) {
    row.name = invitation.name;
  }
  return row;
}

Result<InvitationUse> use(Session& session, const Id& id, const PeerRow& joiner) {
  const auto found = find(session, id);
  if (!found) return found.error();
  if (!*found) return InvitationUse{Outcome::unknown, {}};
  const InvitationRow& invitation = **found;
  const auto before = find_peer(session, joiner.id);
  if (!before) return before.error();
  if (invitation.used) {
    if (invitation.peer == joiner.id && *before) return InvitationUse{Outcome::repeated, *before};
    return InvitationUse{Outcome::used, {}};
  }
  const base::WallTime now = session.options.wall_clock();
  if (invitation.revoked) return InvitationUse{Outcome::revoked, {}};
  if (now >= invitation.expires) return InvitationUse{Outcome::expired, {}};
  const auto peers = session.database.value("SELECT count(*) FROM peers");
  if (!peers) return peers.error();
  if (!*before && static_cast<std::uint64_t>(peers->value_or(0)) >= session.options.peers)
    return InvitationUse{Outcome::no_room, {}};
  auto row = merge(session, invitation, joiner, *before);
  if (!row) return row.error();
  if (auto written = write_peer(session, *row); !written) return written.error();
  auto marked = session.database.run("UPDATE invitations SET used = ?, peer = ? WHERE id = ?", now, joiner.id,
                                     ByteView(id));
  if (!marked) return marked.error();
  return InvitationUse{Outcome::paired, std::move(*row)};
}

}  // namespace

void Store::load_invitations(Post post, Done<std::vector<InvitationRow>> done) {
  call<std::vector<InvitationRow>>(parts_->writer, JobKind::read, 0, std::move(post), std::move(done),
                                   select_all);
}

void Store::add_invitation(InvitationRow invitation, Post post, Done<void> done) {
  call<void>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
             [invitation = std::move(invitation)](Session& session) { return insert(session, invitation); });
}

void Store::revoke_invitation(Id id, Post post, Done<InvitationRow> done) {
  call<InvitationRow>(parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
                      [id](Session& session) { return revoke(session, id); });
}

void Store::use_invitation(Id id, PeerRow joiner, Post post, Done<InvitationUse> done) {
  call<InvitationUse>(
      parts_->writer, JobKind::durable, 0, std::move(post), std::move(done),
      [id, joiner = std::move(joiner)](Session& session) { return use(session, id, joiner); });
}

}  // namespace p2pd::store
