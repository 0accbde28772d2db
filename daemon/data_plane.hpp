// One data-plane thread: an io_context and the peers that live on it. post() and relay_datagram() may be
// called from any thread, everything else runs on the plane's own. How it ends: stop() closes every peer and
// calls back when the thread has nothing left; then join().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/mailbox.hpp"
#include "daemon/file_bridge.hpp"
#include "daemon/message_bridge.hpp"
#include "daemon/peer_node.hpp"
#include "daemon/posted_observer.hpp"
#include "daemon/relay_uplink.hpp"
#include "daemon/stream_bridge.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class DataPlane {
 public:
  struct Config {
    net::IceConfig ice;
    bool debug = false;
    store::Store& store;
    FileBoard& files;
    StreamNews& streams;
    MessageNews news;
    peer::PeerObserver& observer;  // called on `control`
    boost::asio::any_io_executor control;
    base::Mailbox<RelayDatagram>& to_relays;
  };

  explicit DataPlane(Config config);
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }
  void start();
  // Rises with whatever is asked of the plane or has run on it: while it stays, all peers are as they were.
  [[nodiscard]] std::uint64_t turns() const { return turns_.load(std::memory_order_acquire); }
  // Runs `task` on the plane's thread; two turns, where nothing else goes on.
  void post(std::function<void(DataPlane&)> task);
  // A datagram that came by a relay. Dropped when too many wait, as a network would.
  void relay_datagram(RelayDatagram datagram);

  // --- the plane's thread ---
  void add(peer::PeerConfig config);
  // Closes the peer's connection with `code` and forgets it.
  void remove(const base::PeerId& id, net::CloseCode code);
  [[nodiscard]] StreamBridge& streams() { return streams_; }
  [[nodiscard]] PeerNode* find(const base::PeerId& id);
  void set_relay_online(bool online);
  void set_stun_servers(std::vector<proto::Endpoint> servers) { servers_->stun = std::move(servers); }
  void set_turn_servers(std::vector<net::TurnServer> servers) { servers_->turn = std::move(servers); }
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [id, node] : nodes_) visit(id, *node);
  }

  // Any thread; `done` runs on the plane's thread, which ends after it.
  void stop(std::function<void()> done);
  void join();

 private:
  void run();
  void finish_if_empty();

  std::atomic<std::uint64_t> turns_ = 0;
  boost::asio::io_context io_{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  RelayUplink uplink_;
  MessageBridge messages_;
  FileBridge files_;
  StreamBridge streams_;
  PostedObserver observer_;
  PeerNode::Shared shared_;
  const std::shared_ptr<net::IceServers> servers_ = std::make_shared<net::IceServers>();  // of all agents
  base::Mailbox<RelayDatagram> from_relays_;
  std::unordered_map<base::PeerId, std::unique_ptr<PeerNode>> nodes_;
  // Shut down, their agents not yet gone.
  std::unordered_map<std::uint64_t, std::unique_ptr<PeerNode>> leaving_;
  std::uint64_t next_leaving_ = 0;
  std::function<void()> stopped_;
  std::thread thread_;
};

}  // namespace p2pd::daemon
