// One peer in the running daemon: a peer::Peer with what drives it, the timer of its deadline and the ICE
// agents it asks for. Owned by the DataPlane, on its thread. How it ends: shut_down(), then, once `done` has
// run, destruction.
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/ice_agent.hpp"
#include "peer/peer.hpp"

namespace p2pd::daemon {

class PeerNode final : private peer::PeerHost {
 public:
  // What all peers of a data plane share; outlives them.
  struct Shared {
    boost::asio::io_context& io;
    net::IceConfig ice;  // of agents made from now on
    bool debug = false;  // agents can be blocked
    peer::RelayPort& relay;
    peer::MessageStore& store;
    peer::PeerObserver& observer;
  };

  PeerNode(Shared& shared, peer::PeerConfig config);

  [[nodiscard]] peer::Peer& peer() { return peer_; }
  // Debugging: drops every datagram of the direct path in both directions.
  void block_direct(bool blocked) { blocked_ = blocked; }

 private:
  [[nodiscard]] base::TimePoint now() const override { return base::Clock::now(); }
  void deadline_changed(base::TimePoint deadline) override;
  [[nodiscard]] std::unique_ptr<net::Ice> make_ice(
      net::IceEvents& events, const std::optional<proto::Endpoint>& worked_before) override;
  void fill_random(std::span<std::uint8_t> out) override;

  void arm(base::TimePoint deadline);
  void on_timer();

  Shared& shared_;
  const std::string name_;
  bool blocked_ = false;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
  boost::asio::steady_timer timer_;
  base::TimePoint armed_ = base::kNever;
  peer::Peer peer_;
};

}  // namespace p2pd::daemon
