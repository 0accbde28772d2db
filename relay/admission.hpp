// Whether a new connection is taken: random early drop while many stand unauthenticated, so that a flood
// slows honest clients down and does not lock them out. Pure; the random number is handed in.
#pragma once

#include "relay/limits.hpp"

namespace p2pd::relay {

// `unauthenticated`: how many there are now. `random`: uniform in [0, 1).
[[nodiscard]] bool admits(const Startups& startups, std::size_t unauthenticated, double random);

}  // namespace p2pd::relay
