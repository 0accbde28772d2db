#include "daemon/posted_observer.hpp"

namespace p2pd::daemon {

using base::PeerId;

void PostedObserver::on_state_changed(const PeerId& peer, std::string_view state, std::string_view reason) {
  post([this, peer, state = std::string(state), reason = std::string(reason)] {
    target_.on_state_changed(peer, state, reason);
  });
}

void PostedObserver::on_path_changed(const PeerId& peer, peer::PathKind from, peer::PathKind to,
                                     peer::WhyNotDirect why, std::string_view reason) {
  post([this, peer, from, to, why, reason = std::string(reason)] {
    target_.on_path_changed(peer, from, to, why, reason);
  });
}

void PostedObserver::on_why_not_direct(const PeerId& peer, peer::WhyNotDirect why) {
  post([this, peer, why] { target_.on_why_not_direct(peer, why); });
}

void PostedObserver::on_established(const PeerId& peer, base::Duration to_relay) {
  post([this, peer, to_relay] { target_.on_established(peer, to_relay); });
}

void PostedObserver::on_direct(const PeerId& peer, peer::PathKind kind, base::Duration since_dial,
                               const net::IcePair& pair) {
  post([this, peer, kind, since_dial, pair] { target_.on_direct(peer, kind, since_dial, pair); });
}

void PostedObserver::on_candidate(const PeerId& peer, std::string_view side, std::uint32_t generation,
                                  const proto::Candidate& candidate, std::string_view state,
                                  std::string_view reason) {
  post([this, peer, side = std::string(side), generation, candidate, state = std::string(state),
        reason = std::string(reason)] {
    target_.on_candidate(peer, side, generation, candidate, state, reason);
  });
}

void PostedObserver::on_messages_delivered(const PeerId& peer, std::uint64_t up_to) {
  post([this, peer, up_to] { target_.on_messages_delivered(peer, up_to); });
}

void PostedObserver::on_messages_received(const PeerId& peer, std::uint64_t up_to) {
  post([this, peer, up_to] { target_.on_messages_received(peer, up_to); });
}

void PostedObserver::on_relay_hints(const PeerId& peer, const std::vector<std::string>& urls) {
  post([this, peer, urls] { target_.on_relay_hints(peer, urls); });
}

void PostedObserver::on_quality(const PeerId& peer, const peer::PeerQuality& quality) {
  post([this, peer, quality] { target_.on_quality(peer, quality); });
}

void PostedObserver::on_net_question(const PeerId& peer, std::uint64_t id) {
  post([this, peer, id] { target_.on_net_question(peer, id); });
}

void PostedObserver::on_net_report(const PeerId& peer, const proto::ControlNetReport& report) {
  post([this, peer, report] { target_.on_net_report(peer, report); });
}

}  // namespace p2pd::daemon
