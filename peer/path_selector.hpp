// Which path QUIC should use, as a pure function of what is known of the three. Direct before TURN before
// relay; between TURN and relay the quicker one wins when it is so by 5 ms and by 10 %, so that two equal
// paths do not alternate. The path in use is kept while it is merely suspect. Any thread.
#pragma once

#include <array>
#include <optional>

#include "base/clock.hpp"
#include "peer/path.hpp"
#include "peer/path_stats.hpp"

namespace p2pd::peer {

struct PathView {
  PathState state = PathState::down;
  bool steady = false;  // enough answers in a row to move onto it
  bool barred = false;  // cooling down after three demotions: only when nothing else is left
  std::optional<base::Duration> rtt;
};

// Indexed by PathKind.
using PathViews = std::array<PathView, kPathKinds>;

[[nodiscard]] PathKind select_path(const PathViews& paths, PathKind current);

}  // namespace p2pd::peer
