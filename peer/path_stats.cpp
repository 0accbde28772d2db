#include "peer/path_stats.hpp"

namespace p2pd::peer {

std::string_view to_string(PathState state) {
  switch (state) {
    case PathState::down:
      return "down";
    case PathState::probing:
      return "probing";
    case PathState::alive:
      return "alive";
    case PathState::suspect:
      return "suspect";
    case PathState::dead:
      return "dead";
  }
  return "down";
}

}  // namespace p2pd::peer
