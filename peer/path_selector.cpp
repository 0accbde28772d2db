#include "peer/path_selector.hpp"

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;

const PathView& at(const PathViews& paths, PathKind kind) { return paths[static_cast<std::size_t>(kind)]; }

// Good enough to be chosen over another: the path in use unless it is dead, another one once it is proven.
bool fit(const PathViews& paths, PathKind kind, PathKind current) {
  const PathView& path = at(paths, kind);
  if (path.barred) return false;
  if (kind == current) return path.state != PathState::down && path.state != PathState::dead;
  return path.state == PathState::alive && path.steady;
}

// `a` is quicker than `b` by 5 ms and 10 %, or by `share` of that.
bool quicker(const PathView& a, const PathView& b, int share_percent) {
  if (!a.rtt || !b.rtt || *a.rtt >= *b.rtt) return false;
  const base::Duration gain = *b.rtt - *a.rtt;
  return gain * 100 >= base::Duration(milliseconds(5)) * share_percent &&
         gain * 1000 >= *b.rtt * share_percent;
}

// Both fit. Once on the relay, TURN takes over only when the relay's lead has shrunk to half of what it took
// to leave TURN: the gap between the two thresholds keeps noise from moving anything.
PathKind turn_or_relay(const PathViews& paths, PathKind current) {
  const int share_percent = current == PathKind::relay ? 50 : 100;
  const bool relay_leads = quicker(at(paths, PathKind::relay), at(paths, PathKind::turn), share_percent);
  return relay_leads ? PathKind::relay : PathKind::turn;
}

// Nothing is fit: first what answers at all, then the relay if a session is up, then whatever is there.
PathKind last_resort(const PathViews& paths, PathKind current) {
  const auto works = [&](PathKind kind) {
    const PathState state = at(paths, kind).state;
    return state == PathState::alive || (kind == current && state == PathState::suspect);
  };
  if (works(current)) return current;
  for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
    if (works(kind)) return kind;
  }
  if (at(paths, PathKind::relay).state != PathState::down) return PathKind::relay;
  if (at(paths, current).state != PathState::down) return current;
  for (const PathKind kind : {PathKind::direct, PathKind::turn}) {
    if (at(paths, kind).state != PathState::down) return kind;
  }
  return current;
}

}  // namespace

PathKind select_path(const PathViews& paths, PathKind current) {
  if (fit(paths, PathKind::direct, current)) return PathKind::direct;
  const bool turn = fit(paths, PathKind::turn, current);
  const bool relay = fit(paths, PathKind::relay, current);
  if (turn && relay) return turn_or_relay(paths, current);
  if (turn) return PathKind::turn;
  if (relay) return PathKind::relay;
  return last_resort(paths, current);
}

}  // namespace p2pd::peer
