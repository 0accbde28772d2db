// invite.create, list, revoke, accept.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "daemon/invitation_names.hpp"
#include "daemon/node.hpp"
#include "daemon/rpc.hpp"
#include "daemon/status_json.hpp"

namespace p2pd::daemon {
namespace {

using ipc::Method;
using ipc::Request;
using ipc::Responder;
using ipc::Tier;
using ipc::Type;
using nlohmann::json;
using std::chrono::milliseconds;
using Needed = ipc::Presence;

constexpr std::int64_t kDefaultLifetimeMs = 10 * 60 * 1000;
constexpr std::int64_t kMinLifetimeMs = 1'000;
constexpr std::int64_t kMaxLifetimeMs = std::int64_t{30} * 24 * 3600 * 1000;
constexpr std::int64_t kDefaultAcceptMs = 30'000;
constexpr std::int64_t kMaxAcceptMs = 24 * 3600 * 1000;

json time_or_null(const std::optional<base::WallTime>& time) {
  return time ? json(base::to_rfc3339(*time)) : json();
}

// Never its secret.
json invitation_json(Node& node, const store::InvitationRow& row) {
  const std::string peer_name = row.peer ? node.name_of(*row.peer) : "";
  return {{"id", invitation_name(row.id)},
          {"name", row.name.empty() ? json() : json(row.name)},
          {"state", node.pairings().inviting().state_of(row)},
          {"created", base::to_rfc3339(row.created)},
          {"expires", base::to_rfc3339(row.expires)},
          {"used", time_or_null(row.used)},
          {"peer", row.peer ? json(row.peer->text()) : json()},
          {"peer_name", peer_name.empty() ? json() : json(peer_name)}};
}

// Ours as they are, the store's by their kind.
void answer_error(const base::Error& error, Responder& responder) {
  if (error.code.category() == store::store_category()) {
    answer_store_error(error, responder);
  } else {
    responder.error(to_api_error(error));
  }
}

bool in_range(const Request& request, Responder& responder, const char* name, std::int64_t otherwise,
              std::int64_t least, std::int64_t most, milliseconds& out) {
  const std::int64_t value = request.integer(name).value_or(otherwise);
  if (value < least || value > most) {
    responder.error(ErrorCode::invalid_params, fmt::format("{} can be {} to {}", name, least, most));
    return false;
  }
  out = milliseconds(value);
  return true;
}

void create(Node& node, const Request& request, Responder responder) {
  milliseconds lifetime{};
  if (!in_range(request, responder, "expires_ms", kDefaultLifetimeMs, kMinLifetimeMs, kMaxLifetimeMs,
                lifetime)) {
    return;
  }
  const std::string name = request.text("name").value_or("");
  if (request.text("name")) {
    if (const auto checked = node.book().check_name(name, {}); !checked) {
      responder.error(to_api_error(checked.error()));
      return;
    }
    if (node.pairings().inviting().promised(name)) {
      responder.error(
          ErrorCode::name_taken,
          fmt::format("an open invitation gives its joiner the name '{}' already; choose another, "
                      "or revoke that one (`p2pctl invite --list`)",
                      name));
      return;
    }
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.pairings().inviting().create(name, lifetime, [&node, answer](base::Result<Inviting::Created> created) {
    if (!created) {
      answer_error(created.error(), *answer);
      return;
    }
    json result = invitation_json(node, created->row);
    result["ticket"] = created->ticket;
    result["relays"] = created->relays;
    answer->ok(result);
  });
}

void list_invitations(Node& node, Responder responder) {
  json invitations = json::array();
  for (const auto& row : node.pairings().inviting().list()) invitations.push_back(invitation_json(node, row));
  responder.ok({{"invitations", std::move(invitations)}});
}

void revoke(Node& node, const Request& request, Responder responder) {
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.pairings().inviting().revoke(*request.text("id"),
                                    [&node, answer](base::Result<store::InvitationRow> row) {
                                      if (!row) {
                                        answer_error(row.error(), *answer);
                                        return;
                                      }
                                      answer->ok(invitation_json(node, *row));
                                    });
}

void accept(Node& node, const Request& request, Responder responder) {
  milliseconds timeout{};
  if (!in_range(request, responder, "timeout_ms", kDefaultAcceptMs, 1, kMaxAcceptMs, timeout)) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.pairings().joining().accept(*request.text("ticket"), request.text("name").value_or(""), timeout,
                                   [answer](base::Result<KnownPeer> peer) {
                                     if (!peer) {
                                       answer_error(peer.error(), *answer);
                                       return;
                                     }
                                     answer->ok({{"peer", to_json(*peer)}});
                                   });
}

}  // namespace

void add_invite_methods(ipc::MethodTable& table, Node& node) {
  table.add(Method{
      .name = "invite.create",
      .tier = Tier::admin,
      .summary = "Makes an invitation: a ticket that lets the one machine that accepts it become a peer.",
      .params = {{"name", Type::text, Needed::optional, "what the joiner will be called here"},
                 {"expires_ms", Type::integer, Needed::optional,
                  "how long it can be used, 1000 to 2592000000 (30 days), 600000 (10 minutes) by default"}},
      .result = "the ticket, a secret that is shown this once, and what invite.list shows of it",
      .fields = {{"ticket", Type::text, "one word, for the other machine's invite.accept"},
                 {"id", Type::text, "names the invitation, no secret"},
                 {"name", Type::text | Type::null, "what the joiner will be called here"},
                 {"state", Type::text, "open"},
                 {"created", Type::text, "when"},
                 {"expires", Type::text, "when it can be used no more"},
                 {"relays", Type::array, "the relays the ticket names"}},
      .handler = [&node](Request request, Responder responder) {
        create(node, request, std::move(responder));
      }});
  table.add(
      Method{.name = "invite.list",
             .tier = Tier::admin,
             .summary = "Invitations, the oldest first; spent ones until a week after their expiry.",
             .params = {},
             .result = "all invitations, without their tickets",
             .fields = {{"invitations", Type::array,
                         "id, name, state (open, used, revoked, expired), created, expires, used, peer, "
                         "peer_name of each"}},
             .handler = [&node](const Request&, Responder responder) {
               list_invitations(node, std::move(responder));
             }});
  table.add(Method{.name = "invite.revoke",
                   .tier = Tier::admin,
                   .summary = "Takes an invitation back.",
                   .params = {{"id", Type::text, Needed::required,
                               "its ID, an unambiguous beginning of it, or the ticket"}},
                   .result = "the invitation as it is now",
                   .fields = {{"id", Type::text, "names the invitation"},
                              {"state", Type::text, "revoked"},
                              {"expires", Type::text, "when it would have expired"}},
                   .handler = [&node](Request request, Responder responder) {
                     revoke(node, request, std::move(responder));
                   }});
  table.add(Method{
      .name = "invite.accept",
      .tier = Tier::admin,
      .summary = "Takes up an invitation; answers when both machines list each other.",
      .params = {{"ticket", Type::text, Needed::required, "what invite.create gave on the other machine"},
                 {"name", Type::text, Needed::optional, "what the inviter will be called here"},
                 {"timeout_ms", Type::integer, Needed::optional, "how long to try, 30000 by default"}},
      .result = "the new peer",
      .fields = {{"peer", Type::object, "as peer.list shows it"}},
      .handler = [&node](Request request, Responder responder) {
        accept(node, request, std::move(responder));
      }});
}

}  // namespace p2pd::daemon
