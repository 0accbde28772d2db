#include "base/clock.hpp"

#include <ctime>

#include <fmt/chrono.h>

namespace p2pd::base {

WallTime wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::string to_rfc3339(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = (time - seconds).count();
  // Not system_clock::to_time_t: it goes by way of nanoseconds, which end in 2262.
  const auto time_t_seconds = static_cast<std::time_t>(seconds.time_since_epoch().count());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(time_t_seconds), milliseconds);
}

double to_ms(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace p2pd::base
