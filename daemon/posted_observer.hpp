// Carries what a peer tells from its data-plane thread to an observer on another executor, call by call in
// order. Used on the peer's thread; the target must outlive the executor's last turn.
#pragma once

#include <atomic>
#include <cstdint>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include "peer/ports.hpp"

namespace p2pd::daemon {

class PostedObserver final : public peer::PeerObserver {
 public:
  // `told` rises with each call, before the target hears of it; outlives the observer.
  PostedObserver(peer::PeerObserver& target, boost::asio::any_io_executor executor,
                 std::atomic<std::uint64_t>& told)
      : target_(target), executor_(std::move(executor)), told_(told) {}

  void on_state_changed(const base::PeerId& peer, std::string_view state, std::string_view reason) override;
  void on_path_changed(const base::PeerId& peer, peer::PathKind from, peer::PathKind to,
                       peer::WhyNotDirect why, std::string_view reason) override;
  void on_why_not_direct(const base::PeerId& peer, peer::WhyNotDirect why) override;
  void on_established(const base::PeerId& peer, base::Duration to_relay) override;
  void on_direct(const base::PeerId& peer, peer::PathKind kind, base::Duration since_dial,
                 const net::IcePair& pair) override;
  void on_candidate(const base::PeerId& peer, std::string_view side, std::uint32_t generation,
                    const proto::Candidate& candidate, std::string_view state,
                    std::string_view reason) override;
  void on_messages_delivered(const base::PeerId& peer, std::uint64_t up_to) override;
  void on_messages_received(const base::PeerId& peer, std::uint64_t up_to) override;
  void on_relay_hints(const base::PeerId& peer, const std::vector<std::string>& urls) override;
  void on_quality(const base::PeerId& peer, const peer::PeerQuality& quality) override;
  void on_net_question(const base::PeerId& peer, std::uint64_t id) override;
  void on_net_report(const base::PeerId& peer, const proto::ControlNetReport& report) override;

 private:
  template <class Task>
  void post(Task task) {
    told_.fetch_add(1, std::memory_order_release);
    boost::asio::post(executor_, std::move(task));
  }

  peer::PeerObserver& target_;
  boost::asio::any_io_executor executor_;
  std::atomic<std::uint64_t>& told_;
};

}  // namespace p2pd::daemon
