// The API's methods, a file a subject: each function adds its rows to the method table. `node` outlives the
// table. Control thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/peer_id.hpp"
#include "ipc/method_table.hpp"
#include "peer/peer.hpp"

namespace p2pd::daemon {

class Node;
struct KnownPeer;

void add_daemon_methods(ipc::MethodTable& table, Node& node);
void add_peer_methods(ipc::MethodTable& table, Node& node);
void add_invite_methods(ipc::MethodTable& table, Node& node);
void add_connect_methods(ipc::MethodTable& table, Node& node);
void add_message_methods(ipc::MethodTable& table, Node& node);
void add_file_methods(ipc::MethodTable& table, Node& node);
void add_net_methods(ipc::MethodTable& table, Node& node);
void add_service_methods(ipc::MethodTable& table, Node& node);
void add_stream_methods(ipc::MethodTable& table, Node& node);
// Only under P2PD_DEBUG.
void add_debug_methods(ipc::MethodTable& table, Node& node);

// What several of them need.

// The result of daemon.status; `done` runs later.
void status_snapshot(Node& node, std::function<void(const nlohmann::json&)> done);
// A peer of the address book as status shows it.
[[nodiscard]] nlohmann::json peer_json(Node& node, const base::PeerId& id, const peer::PeerStatus& status);
// The peer that the parameter `peer` names, or nothing after answering the error.
[[nodiscard]] const KnownPeer* named_peer(Node& node, const ipc::Request& request, ipc::Responder& responder);
// The peers that the parameter `name`, a list, names; nothing after answering the error.
[[nodiscard]] std::optional<std::set<base::PeerId>> named_peers(Node& node, const ipc::Request& request,
                                                                std::string_view name,
                                                                ipc::Responder& responder);
// The parameter `service`, or nothing after answering the error.
[[nodiscard]] std::optional<std::string> service_name(const ipc::Request& request, ipc::Responder& responder);
// The parameter every method on a peer has.
[[nodiscard]] ipc::Param peer_param();
// Answers a failure of the store.
void answer_store_error(const base::Error& error, ipc::Responder& responder);
// Answers {} or the error, the store's too.
[[nodiscard]] std::function<void(const base::Result<void>&)> empty_answer(ipc::Responder responder);

}  // namespace p2pd::daemon
