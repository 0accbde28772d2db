#include "tests/sim/network.hpp"

#include <algorithm>

namespace p2pd::sim {

void Network::carry(PathModel& path, int from, const std::function<void()>& deliver) {
  const auto sender = static_cast<std::size_t>(from);
  if (!path.up[sender] || world_.random.chance(path.loss)) return;
  const int copies = world_.random.chance(path.duplicates) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    base::TimePoint arrival =
        world_.now() + path.latency + world_.random.between(base::Duration::zero(), path.jitter);
    if (path.ordered) arrival = std::max(arrival, path.last_arrival[sender]);
    path.last_arrival[sender] = arrival;
    world_.at(arrival, deliver);
  }
}

}  // namespace p2pd::sim
