#include "daemon/peer_node.hpp"

#include "base/random.hpp"
#include "daemon/gated_ice.hpp"

namespace p2pd::daemon {
namespace {

// A deadline so near is due: arming the timer again would cost more than it waits.
constexpr auto kDue = std::chrono::microseconds(50);

}  // namespace

PeerNode::PeerNode(Shared& shared, peer::PeerConfig config)
    : shared_(shared),
      name_(config.peer.brief()),
      timer_(shared.io),
      peer_(std::move(config), *this, shared.relay, shared.store, shared.observer) {
  arm(peer_.deadline());
}

// Only an earlier deadline re-arms the timer: it moves with every packet, mostly to later, and a system call
// for each move would cost a third of the CPU. A timer that fires too early looks again.
void PeerNode::deadline_changed(base::TimePoint deadline) {
  if (deadline < armed_) arm(deadline);
}

void PeerNode::arm(base::TimePoint deadline) {
  armed_ = deadline;
  if (deadline == base::kNever) return;
  timer_.expires_at(deadline);
  // A wait that has already completed cannot be cancelled: it may run after the node is gone.
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (!error && !alive.expired()) on_timer();
  });
}

void PeerNode::on_timer() {
  armed_ = base::kNever;
  if (peer_.deadline() <= now() + kDue) peer_.on_time();
  // on_time() may have armed the timer already.
  if (armed_ == base::kNever) arm(peer_.deadline());
}

std::unique_ptr<net::Ice> PeerNode::make_ice(net::IceEvents& events,
                                             const std::optional<proto::Endpoint>& worked_before) {
  net::IceConfig config = shared_.ice;
  config.worked_before = worked_before;
  config.log_name = name_;
  if (!shared_.debug) return std::make_unique<net::IceAgent>(shared_.io, std::move(config), events);
  auto gated = std::make_unique<GatedIce>(events, blocked_);
  gated->set_agent(std::make_unique<net::IceAgent>(shared_.io, std::move(config), gated->events()));
  return gated;
}

void PeerNode::fill_random(std::span<std::uint8_t> out) { base::fill_random(out); }

}  // namespace p2pd::daemon
