#include "daemon/status_text.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "daemon/rpc.hpp"
#include "daemon/status_json.hpp"
#include "ipc/codec.hpp"

namespace p2pd::daemon {
namespace {

using nlohmann::json;

json relays_json(const std::vector<RelayHub::Status>& relays) {
  json out = json::array();
  for (const auto& relay : relays) out.push_back(to_json(relay));
  return out;
}

// The home relay; while it is offline another one that is online, also a peer's; an object with state offline
// where there is none.
json home_json(const std::vector<RelayHub::Status>& relays) {
  const auto best = std::min_element(relays.begin(), relays.end(), [](const auto& a, const auto& b) {
    return a.online != b.online ? a.online : a.home && !b.home;
  });
  if (best != relays.end()) return to_json(*best);
  return {{"url", nullptr}, {"state", "offline"}, {"rtt_ms", nullptr}};
}

// All but the peers.
json head_json(const Node& node, const std::vector<RelayHub::Status>& relays,
               const net::PortMapperStatus& mapper) {
  return {{"peer_id", node.id().text()},
          {"version", P2PD_VERSION},
          {"relay", home_json(relays)},
          {"relays", relays_json(relays)},
          {"port_mapping", to_json(mapper)}};
}

// With the reason that both ends' views give.
peer::PeerStatus refined(Node& node, const base::PeerId& id, peer::PeerStatus status) {
  status.why_not_direct = node.doctor().refined(id, status.why_not_direct);
  return status;
}

}  // namespace

json peer_json(Node& node, const base::PeerId& id, const peer::PeerStatus& status) {
  return to_json(*node.book().find(id), refined(node, id, status), node.relays().presence(id),
                 node.board().waiting(id));
}

void status_snapshot(Node& node, std::function<void(const json&)> done) {
  node.collect(std::nullopt, [&node, done = std::move(done)](const Node::PeerStatuses& statuses) {
    json out = head_json(node, node.relays().status(), node.mapper().status());
    json& peers = out["peers"] = json::array();
    for (const auto& [id, status] : statuses) {
      if (node.book().find(id) != nullptr) peers.push_back(peer_json(node, id, status));
    }
    done(out);
  });
}

std::string StatusText::of(const Node::PeerStatuses& statuses) {
  std::string out = head();
  out += ",\"peers\":[";
  std::size_t shown = 0;
  for (const auto& [id, status] : statuses) {
    const KnownPeer* known = node_.book().find(id);
    if (known == nullptr) continue;
    if (shown++ > 0) out += ',';
    out += piece(*known, status);
  }
  out += "]}";
  if (pieces_.size() > shown) {
    std::erase_if(pieces_, [this](const auto& one) { return node_.book().find(one.first) == nullptr; });
  }
  return out;
}

const std::string& StatusText::head() {
  auto relays = node_.relays().status();
  auto mapper = node_.mapper().status();
  if (head_.text.empty() || head_.relays != relays || head_.mapper != mapper) {
    head_ = {std::move(relays), std::move(mapper), {}};
    head_.text = ipc::to_line(head_json(node_, head_.relays, head_.mapper));
    head_.text.pop_back();
  }
  return head_.text;
}

const std::string& StatusText::piece(const KnownPeer& known, const peer::PeerStatus& status) {
  const peer::Presence presence = node_.relays().presence(known.id);
  const std::uint64_t outbox = node_.board().waiting(known.id);
  peer::PeerStatus shown = refined(node_, known.id, status);
  Piece& piece = pieces_[known.id];
  if (piece.text.empty() || piece.known != known || piece.status != shown || piece.presence != presence ||
      piece.outbox != outbox) {
    piece = {known, std::move(shown), presence, outbox, {}};
    piece.text = ipc::to_line(to_json(piece.known, piece.status, presence, outbox));
  }
  return piece.text;
}

}  // namespace p2pd::daemon
