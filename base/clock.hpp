// The two clocks. TimePoint is monotonic and is always passed in by the caller, so that everything with a
// timer runs under a simulated clock too; nothing below daemon/ and relay/ asks the system for it. WallTime
// is for what people and files see: milliseconds since 1970, written as RFC 3339.
#pragma once

#include <chrono>
#include <string>

namespace p2pd::base {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

// "No deadline".
inline constexpr TimePoint kNever = TimePoint::max();

[[nodiscard]] WallTime wall_now();
// "2026-01-31T12:00:00.123Z"
[[nodiscard]] std::string to_rfc3339(WallTime time);
[[nodiscard]] double to_ms(Duration duration);

}  // namespace p2pd::base
