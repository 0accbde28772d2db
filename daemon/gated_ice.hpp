// An Ice whose data can be cut on request: a debugging aid that makes the direct path silently dead while ICE
// itself goes on believing in it, as a router that drops a flow would. Not in use unless P2PD_DEBUG is set.
// The peer's thread.
#pragma once

#include <memory>

#include "net/ice.hpp"

namespace p2pd::daemon {

class GatedIce final : public net::Ice, private net::IceEvents {
 public:
  // `blocked` is looked at for each datagram; it must outlive this object.
  GatedIce(net::IceEvents& owner, const bool& blocked) : owner_(owner), blocked_(blocked) {}
  // The agent whose events come here: made with events(), then handed over.
  [[nodiscard]] net::IceEvents& events() { return *this; }
  void set_agent(std::unique_ptr<net::Ice> agent) { agent_ = std::move(agent); }

  [[nodiscard]] net::IceCredentials start(std::uint32_t generation, bool controlling) override {
    return agent_->start(generation, controlling);
  }
  void set_remote_credentials(std::uint32_t generation, const net::IceCredentials& credentials) override {
    agent_->set_remote_credentials(generation, credentials);
  }
  void add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) override {
    agent_->add_remote_candidate(generation, candidate);
  }
  void remote_candidates_done(std::uint32_t generation) override {
    agent_->remote_candidates_done(generation);
  }
  [[nodiscard]] net::SendOutcome send(base::ByteView datagram) override {
    return blocked_ ? net::SendOutcome::sent : agent_->send(datagram);
  }
  [[nodiscard]] net::SendOutcome send_batch(base::ByteView datagrams, std::size_t size) override {
    return blocked_ ? net::SendOutcome::sent : agent_->send_batch(datagrams, size);
  }
  void stop(std::function<void()> done) override { agent_->stop(std::move(done)); }

 private:
  void on_ice_candidate(std::uint32_t generation, const proto::Candidate& local) override {
    owner_.on_ice_candidate(generation, local);
  }
  void on_ice_gathering_done(std::uint32_t generation) override { owner_.on_ice_gathering_done(generation); }
  void on_ice_connected(std::uint32_t generation, const net::IcePair& pair) override {
    owner_.on_ice_connected(generation, pair);
  }
  void on_ice_failed(std::uint32_t generation, net::IceFailure failure) override {
    owner_.on_ice_failed(generation, failure);
  }
  void on_ice_datagram(base::ByteView datagram) override {
    if (!blocked_) owner_.on_ice_datagram(datagram);
  }
  void on_ice_batch_end() override { owner_.on_ice_batch_end(); }

  net::IceEvents& owner_;
  const bool& blocked_;
  std::unique_ptr<net::Ice> agent_;
};

}  // namespace p2pd::daemon
