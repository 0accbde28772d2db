// The words of path selection, as status, events and history print them. Plain values.
#pragma once

#include <cstdint>
#include <string_view>

namespace p2pd::peer {

// Best first, worst last: the order of preference.
enum class PathKind : std::uint8_t { direct = 0, turn = 1, relay = 2 };
inline constexpr std::size_t kPathKinds = 3;
[[nodiscard]] std::string_view to_string(PathKind kind);

// Why the peer's traffic is not on a direct path now.
enum class WhyNotDirect : std::uint8_t {
  none,  // it is direct
  in_progress,
  disabled,
  peer_disabled,
  proxy,
  udp_blocked,
  no_candidates,
  checks_failed,
  symmetric_nat,
  no_hairpin,
  path_flapping,
  cooldown,
};
[[nodiscard]] std::string_view to_string(WhyNotDirect why);

}  // namespace p2pd::peer
