// Two ways between two nodes, each with delay, loss, duplication, reordering and partitions per direction: by
// a relay, to which a node has a session or not, and direct. Nodes are numbered 0 and 1.
#pragma once

#include <array>
#include <functional>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "tests/sim/world.hpp"

namespace p2pd::sim {

struct PathModel {
  base::Duration latency = std::chrono::milliseconds(10);
  base::Duration jitter{};  // added at random to each datagram
  double loss = 0;
  double duplicates = 0;
  bool ordered = false;  // as within one TCP connection
  std::size_t mtu = 16'384;
  std::array<bool, 2> up{true, true};  // by sender
  std::array<base::TimePoint, 2> last_arrival{};

  [[nodiscard]] bool up_both_ways() const { return up[0] && up[1]; }
};

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  // Runs `deliver` once for each copy that arrives.
  void carry(PathModel& path, int from, const std::function<void()>& deliver);

  PathModel relay;
  PathModel direct;
  bool relayed_pairs = false;  // ICE finds but a TURN pair

 private:
  World& world_;
};

}  // namespace p2pd::sim
