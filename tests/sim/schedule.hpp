// One seed's history: two nodes, a network, a few seconds of chaos (dials from both ends, kills, partitions,
// loss, reordering, relay restarts, replays), then quiet, in which everything promised must come true. A
// share has streams to services, too, which go on through paths that come and go and a restart in the quiet
// part.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tests/sim/node.hpp"

namespace p2pd::sim {

// The world of two nodes; scenario tests use it without the chaos.
struct Pair {
  explicit Pair(std::uint64_t seed);

  Node& node(std::size_t index) { return index == 0 ? a : b; }
  // Both processes and relay sessions up.
  void start();
  [[nodiscard]] bool connected() { return a.established() && b.established(); }
  // Both established, on one and the same connection.
  [[nodiscard]] bool agreed();
  [[nodiscard]] bool on_path(peer::PathKind kind);
  // Every message made is in the other's inbox, and the outboxes are empty.
  [[nodiscard]] bool delivered();
  // The first law; empty when it holds so far.
  [[nodiscard]] std::string inbox_error();

  World world;
  Network network{world};
  IceRegistry ice{world, network, {}, 0};
  Node a;  // the lower ID: the arbiter
  Node b;
};

// Empty when all went well, else what went wrong.
[[nodiscard]] std::string run_schedule(std::uint64_t seed);

}  // namespace p2pd::sim
