// A server as it is written in a configuration, "host:port"; resolved later. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace p2pd::daemon {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;  // "host:port", "[v6]:port"
  [[nodiscard]] bool operator==(const HostPort&) const = default;
};

// What is wrong with a value of the configuration.
[[nodiscard]] base::Error invalid(std::string why);

// "host:port", "[v6]:port", "host" (then `default_port`).
[[nodiscard]] base::Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port);

}  // namespace p2pd::daemon
