// How good a connection is, and on which paths it was: what status, events and the history show. Plain values
// and a stopwatch for each path; the owner's thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "peer/path.hpp"

namespace p2pd::peer {

// QUIC datagrams by the path they took, headers of ours and of UDP excluded.
struct PathBytes {
  std::uint64_t tx = 0;
  std::uint64_t rx = 0;
  [[nodiscard]] bool operator==(const PathBytes&) const = default;
};

// Of the connection there is, since the peer was dialled or came; what it had before it was made anew in
// between counts too, but packets.
struct PeerQuality {
  std::optional<base::Duration> rtt;     // smoothed, of the path in use
  std::optional<base::Duration> jitter;  // mean deviation of round trips, RFC 9002 5.3
  std::uint64_t delivery_rate = 0;       // bytes a second that arrived at best, lately; 0: not measured
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;                 // those whose data was sent again
  std::array<PathBytes, kPathKinds> bytes{};      // by PathKind
  std::array<base::Duration, kPathKinds> time{};  // on each path
  std::uint64_t switches = 0;                     // of path
  [[nodiscard]] bool operator==(const PeerQuality&) const = default;
};

// The time spent on each path.
class PathClock {
 public:
  // Nothing: on none. Cheap when nothing changed.
  void move_to(std::optional<PathKind> path, base::TimePoint now) {
    if (path == path_) return;
    if (path_) times_[static_cast<std::size_t>(*path_)] += now - since_;
    path_ = path;
    since_ = now;
  }
  void restart(base::TimePoint now) {
    times_ = {};
    since_ = now;
  }
  [[nodiscard]] std::array<base::Duration, kPathKinds> times(base::TimePoint now) const {
    auto out = times_;
    if (path_) out[static_cast<std::size_t>(*path_)] += now - since_;
    return out;
  }

 private:
  std::optional<PathKind> path_;
  base::TimePoint since_{};
  std::array<base::Duration, kPathKinds> times_{};
};

}  // namespace p2pd::peer
