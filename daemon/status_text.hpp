// The result of daemon.status as text, put together of pieces that are made anew only when what they show has
// changed: a program that asks again and again is mostly shown what it saw before. Control thread; outlived
// by the Node, and holds nothing but its pieces.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/node.hpp"

namespace p2pd::daemon {

class StatusText {
 public:
  explicit StatusText(Node& node) : node_(node) {}

  // JSON without a newline in it.
  [[nodiscard]] std::string of(const Node::PeerStatuses& statuses);

 private:
  struct Piece {
    KnownPeer known;
    peer::PeerStatus status;  // as shown
    peer::Presence presence = peer::Presence::unknown;
    std::uint64_t outbox = 0;
    std::string text;
  };
  struct Head {
    std::vector<RelayHub::Status> relays;
    net::PortMapperStatus mapper;
    std::string text;  // an object that lacks its closing brace; empty: not made yet
  };

  [[nodiscard]] const std::string& head();
  [[nodiscard]] const std::string& piece(const KnownPeer& known, const peer::PeerStatus& status);

  Node& node_;
  Head head_;
  std::unordered_map<base::PeerId, Piece> pieces_;
};

}  // namespace p2pd::daemon
