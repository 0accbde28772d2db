// peer.add, remove, set, list, history: the address book.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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
using Needed = ipc::Presence;

constexpr std::size_t kMaxRelaysOfAPeer = 3;
constexpr std::int64_t kMaxHistory = 200;

// URLs in their canonical form, or nothing after answering the error.
std::optional<std::vector<std::string>> read_relays(const Request& request, Responder& responder) {
  std::vector<std::string> out;
  for (const std::string& text : request.texts("relays").value_or(std::vector<std::string>{})) {
    const auto url = net::RelayUrl::parse(text);
    if (!url) {
      responder.error(ErrorCode::invalid_params, fmt::format("relays: {}", url.error().context));
      return std::nullopt;
    }
    out.push_back(url->text());
  }
  if (out.size() > kMaxRelaysOfAPeer) {
    responder.error(ErrorCode::quota, fmt::format("a peer can have {} relays", kMaxRelaysOfAPeer));
    return std::nullopt;
  }
  return out;
}

// Adding a peer that is known renames it: the same command can be typed twice.
void add(Node& node, const Request& request, Responder responder) {
  const auto id = base::PeerId::parse(*request.text("id"));
  if (!id) {
    responder.error(ErrorCode::invalid_id,
                    fmt::format("{}; `p2pctl id` on the other machine prints its ID", id.error().context));
    return;
  }
  const std::string name = *request.text("name");
  for (const auto& checked : {node.book().check_id(*id), node.book().check_name(name, *id)}) {
    if (checked) continue;
    responder.error(to_api_error(checked.error()));
    return;
  }
  const KnownPeer* before = node.book().find(*id);
  if (before == nullptr && node.book().all().size() >= kMaxPeers) {
    responder.error(ErrorCode::quota, fmt::format("{} peers are the most one daemon keeps", kMaxPeers));
    return;
  }
  auto relays = read_relays(request, responder);
  if (!relays) return;
  KnownPeer peer = before == nullptr ? KnownPeer{} : *before;
  peer.id = *id;
  peer.name = name;
  if (request.texts("relays")) peer.relays = std::move(*relays);
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().upsert_peer(stored_peer(peer), node.post_here(), [&node, peer, answer](base::Result<> stored) {
    if (!stored) {
      answer_store_error(stored.error(), *answer);
      return;
    }
    node.peer_changed(peer);
    answer->ok({{"peer", to_json(peer)}});
  });
}

void remove(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.intake().flush();
  node.store().remove_peer(known->id, node.post_here(),
                           [&node, id = known->id, answer](base::Result<> stored) {
                             if (!stored) {
                               answer_store_error(stored.error(), *answer);
                               return;
                             }
                             node.peer_removed(id);
                             answer->ok();
                           });
}

// "on"/"off" (p2pctl's KEY=VALUE) or a boolean.
std::optional<bool> read_switch(const Request& request, const char* name, const char* yes, const char* no,
                                Responder& responder, bool otherwise) {
  const auto& params = request.params();
  if (!params.contains(name)) return otherwise;
  const json& value = params.at(name);
  if (value.is_boolean()) return value.get<bool>();
  const auto text = value.get<std::string>();
  if (text == yes) return true;
  if (text == no) return false;
  responder.error(ErrorCode::invalid_params,
                  fmt::format("{} can be {} or {}, not '{}'", name, yes, no, text));
  return std::nullopt;
}

void set(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  KnownPeer peer = *known;
  if (const auto name = request.text("name")) {
    if (auto ok = node.book().check_name(*name, peer.id); !ok) {
      responder.error(to_api_error(ok.error()));
      return;
    }
    peer.name = *name;
  }
  const auto direct = read_switch(request, "direct", "on", "off", responder, peer.direct);
  if (!direct) return;
  const auto files = read_switch(request, "files", "accept", "refuse", responder, peer.accept_files);
  if (!files) return;
  peer.direct = *direct;
  peer.accept_files = *files;
  store::PeerChange change;
  change.name = peer.name;
  change.direct = peer.direct;
  change.files = peer.accept_files ? store::FilePolicy::accept : store::FilePolicy::refuse;
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().set_peer(peer.id, change, node.post_here(), [&node, peer, answer](base::Result<> stored) {
    if (!stored) {
      answer_store_error(stored.error(), *answer);
      return;
    }
    node.peer_changed(peer);
    answer->ok({{"peer", to_json(peer)}});
  });
}

void list_peers(Node& node, Responder responder) {
  json peers = json::array();
  for (const auto& [id, peer] : node.book().all()) peers.push_back(to_json(peer));
  responder.ok({{"peers", std::move(peers)}});
}

void history(Node& node, const Request& request, Responder responder) {
  const KnownPeer* known = named_peer(node, request, responder);
  if (known == nullptr) return;
  const std::int64_t limit = request.integer("limit").value_or(20);
  if (limit < 1 || limit > kMaxHistory) {
    responder.error(ErrorCode::invalid_params, fmt::format("limit can be 1 to {}", kMaxHistory));
    return;
  }
  auto answer = std::make_shared<Responder>(std::move(responder));
  node.store().list_history(known->id, static_cast<std::size_t>(limit), node.post_here(),
                            [answer](base::Result<std::vector<store::AttemptRow>> rows) {
                              if (!rows) {
                                answer_store_error(rows.error(), *answer);
                                return;
                              }
                              json attempts = json::array();
                              for (const auto& row : *rows) attempts.push_back(to_json(row));
                              answer->ok({{"attempts", std::move(attempts)}});
                            });
}

}  // namespace

const KnownPeer* named_peer(Node& node, const Request& request, Responder& responder) {
  const auto found = node.book().find(*request.text("peer"));
  if (found) return *found;
  responder.error(to_api_error(found.error()));
  return nullptr;
}

ipc::Param peer_param() {
  return {"peer", Type::text, Needed::required, "name, ID or an unambiguous prefix of an ID"};
}

void answer_store_error(const base::Error& error, Responder& responder) {
  ErrorCode code = ErrorCode::storage;
  if (error.code == store::StoreError::not_found) code = ErrorCode::not_found;
  if (error.code == store::StoreError::name_taken) code = ErrorCode::name_taken;
  if (error.code == store::StoreError::quota) code = ErrorCode::quota;
  if (error.code == store::StoreError::overloaded) code = ErrorCode::busy;
  if (error.code == store::StoreError::cancelled) code = ErrorCode::shutting_down;
  responder.error(code, error.message());
}

std::function<void(const base::Result<void>&)> empty_answer(Responder responder) {
  auto answer = std::make_shared<Responder>(std::move(responder));
  return [answer](const base::Result<void>& outcome) {
    if (outcome) {
      answer->ok();
    } else if (outcome.error().code.category() == store::store_category()) {
      answer_store_error(outcome.error(), *answer);
    } else {
      answer->error(to_api_error(outcome.error()));
    }
  };
}

void add_peer_methods(ipc::MethodTable& table, Node& node) {
  const std::vector<ipc::ResultField> one_peer = {
      {"peer", Type::object, "id, name, relays, direct, files, wanted"}};
  table.add(Method{.name = "peer.add",
                   .tier = Tier::admin,
                   .summary = "Lists a peer: from now on it may connect here, and is reached by its name. "
                              "Renames one that is listed.",
                   .params = {{"name", Type::text, Needed::required, "what it is called here"},
                              {"id", Type::text, Needed::required, "its peer ID, 52 characters"},
                              {"relays", Type::texts, Needed::optional,
                               "relay URLs it is reached by, beside this daemon's own"}},
                   .result = "the entry",
                   .fields = one_peer,
                   .handler = [&node](Request request, Responder responder) {
                     add(node, request, std::move(responder));
                   }});
  table.add(Method{.name = "peer.remove",
                   .tier = Tier::admin,
                   .summary = "Forgets a peer with its messages and history; its connection is closed.",
                   .params = {peer_param()},
                   .result = "nothing",
                   .fields = {},
                   .handler = [&node](Request request, Responder responder) {
                     remove(node, request, std::move(responder));
                   }});
  table.add(Method{.name = "peer.set",
                   .tier = Tier::admin,
                   .summary = "Changes what is said of a peer.",
                   .params = {peer_param(),
                              {"name", Type::text, Needed::optional, "a new name"},
                              {"direct", Type::text | Type::boolean, Needed::optional,
                               "on or off: direct paths to this peer"},
                              {"files", Type::text | Type::boolean, Needed::optional, "accept or refuse"}},
                   .result = "the entry",
                   .fields = one_peer,
                   .handler = [&node](Request request, Responder responder) {
                     set(node, request, std::move(responder));
                   }});
  table.add(Method{
      .name = "peer.list",
      .tier = Tier::read,
      .summary = "The address book.",
      .params = {},
      .result = "all entries",
      .fields = {{"peers", Type::array, "id, name, relays, direct, files, wanted of each"}},
      .handler = [&node](const Request&, Responder responder) { list_peers(node, std::move(responder)); }});
  table.add(Method{
      .name = "peer.history",
      .tier = Tier::read,
      .summary = "Attempts to connect with a peer, with their candidates, paths and times; the latest first.",
      .params = {peer_param(), {"limit", Type::integer, Needed::optional, "1 to 200, 20 by default"}},
      .result = "the attempts",
      .fields = {{"attempts", Type::array,
                  "id, started, ended, outcome, reason, to_relay_ms, to_direct_ms, candidates, "
                  "paths of each"}},
      .handler = [&node](Request request, Responder responder) {
        history(node, request, std::move(responder));
      }});
}

}  // namespace p2pd::daemon
