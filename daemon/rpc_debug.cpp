// debug.*: only there when the daemon was started with P2PD_DEBUG=1.
#include <memory>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "daemon/node.hpp"
#include "daemon/rpc.hpp"

namespace p2pd::daemon {
namespace {

void hang_for_ever() {
  for (;;) ::pause();
}

}  // namespace

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
  table.add(ipc::Method{
      .name = "debug.hang",
      .tier = ipc::Tier::admin,
      .summary = "Lets one thread answer nothing any more, as a disk or a fault might.",
      .params = {{"thread", ipc::Type::text, ipc::Presence::required, "data plane or store"}},
      .result = "nothing",
      .fields = {},
      .handler = [&node](const ipc::Request& request, ipc::Responder responder) {
        if (*request.text("thread") == "store") {
          node.store().ping({}, [](const base::Result<void>&) { hang_for_ever(); });
        } else {
          node.for_each_plane([](DataPlane& plane) { plane.post([](DataPlane&) { hang_for_ever(); }); });
        }
        responder.ok();
      }});
}

}  // namespace p2pd::daemon
