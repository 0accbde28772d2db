// What the Link knows of one path, as status, metrics and tests read it. Plain values.
//
//   down --available--> probing --answered--> alive <--silent, answered--> suspect --silent--> dead
//     ^                                         ^                                                |
//     +------------- lost (from any) -----------+---------------- answered again ----------------+
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.hpp"

namespace p2pd::peer {

enum class PathState : std::uint8_t {
  down,     // ICE has no pair of this kind; no relay session
  probing,  // there, not yet proven: no probe of ours was answered
  alive,    // a probe was answered: both directions work
  suspect,  // silent for a while: being checked
  dead,     // silent for too long, though ICE or the relay session says it is there
};
[[nodiscard]] std::string_view to_string(PathState state);

struct PathStats {
  PathState state = PathState::down;
  // Round trips of probes; nothing until the first answer.
  std::optional<base::Duration> smoothed_rtt;
  std::optional<base::Duration> min_rtt;
  std::uint64_t probes_sent = 0;
  std::uint64_t probes_answered = 0;  // answers to our probes
  std::uint64_t demotions = 0;        // times the path was left because it had died
  // QUIC only: whole datagrams (prefix included), as the caller told of them. Received ones count only when
  // they were authenticated.
  std::uint64_t datagrams_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t datagrams_received = 0;
  std::uint64_t bytes_received = 0;
  // Any authenticated datagram, QUIC or Link frame.
  std::optional<base::TimePoint> last_received;
  // UDP payload the path takes now.
  std::size_t payload_size = 0;
};

}  // namespace p2pd::peer
