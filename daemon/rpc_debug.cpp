// debug.*: only there when the daemon was started with P2PD_DEBUG=1.
#include <memory>

#include <nlohmann/json.hpp>

#include "daemon/node.hpp"
#include "daemon/rpc.hpp"

namespace p2pd::daemon {

void add_debug_methods(ipc::MethodTable& table, Node& node) {
  table.add(ipc::Method{
      .name = "debug.block_direct",
      .tier = ipc::Tier::admin,
      .summary = "Drops every datagram of the direct path with a peer, silently, as a router might.",
      .params = {peer_param(),
                 {"blocked", ipc::Type::boolean, ipc::Presence::required, "drop, or let pass again"}},
      .result = "nothing",
      .fields = {},
      .handler = [&node](const ipc::Request& request, ipc::Responder responder) {
        const KnownPeer* known = named_peer(node, request, responder);
        if (known == nullptr) return;
        auto answer = std::make_shared<ipc::Responder>(std::move(responder));
        node.with_peer(known->id, [&node, answer, blocked = *request.boolean("blocked")](PeerNode& peer) {
          peer.block_direct(blocked);
          node.post_here()([answer] { answer->ok(); });
        });
      }});
}

}  // namespace p2pd::daemon
