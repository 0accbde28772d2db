// The events `peer quality`: how good each established connection is, once a second while somebody has
// subscribed to the topic `peer`; without that there is no timer. Control thread; owned by the Node. How it
// ends: its coroutine ends with the task group.
#pragma once

#include <cstdint>
#include <unordered_map>

#include <boost/asio/awaitable.hpp>

#include "base/peer_id.hpp"
#include "base/task_group.hpp"
#include "peer/peer.hpp"

namespace p2pd::daemon {

class Node;

class QualityEvents {
 public:
  // Both outlive it.
  QualityEvents(Node& node, base::TaskGroup& tasks) : node_(node), tasks_(tasks) {}

  // Somebody has subscribed to something.
  void subscribed();

 private:
  // Packets by then, so that an event tells of the loss of one second.
  struct Counted {
    std::string connection;
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
  };

  [[nodiscard]] boost::asio::awaitable<void> run();
  void publish(const base::PeerId& id, const peer::PeerStatus& status);

  Node& node_;
  base::TaskGroup& tasks_;
  bool running_ = false;
  std::unordered_map<base::PeerId, Counted> before_;
};

}  // namespace p2pd::daemon
