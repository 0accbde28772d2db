#include "daemon/host_port.hpp"

#include <utility>

#include <fmt/format.h>

namespace p2pd::daemon {

base::Error invalid(std::string why) {
  return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

std::string HostPort::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

base::Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port) {
  HostPort out;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return invalid(fmt::format("'{}' has a '[' without its ']'", text));
    out.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return invalid(fmt::format("'{}' is not HOST:PORT", text));
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const auto colon = text.rfind(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (out.host.find(':') != std::string::npos) {
      return invalid(fmt::format("'{}': write an IPv6 address as [ADDRESS]:PORT", text));
    }
  }
  if (out.host.empty()) return invalid(fmt::format("'{}' names no host", text));
  out.port = default_port;
  if (!port.empty() || text.ends_with(':')) {
    unsigned long value = 0;
    for (const char c : port)
      value =
          c >= '0' && c <= '9' && value < 100'000 ? value * 10 + static_cast<unsigned>(c - '0') : 1'000'000;
    if (port.empty() || value == 0 || value > 65'535) return invalid(fmt::format("'{}' is not a port", port));
    out.port = static_cast<std::uint16_t>(value);
  }
  return out;
}

}  // namespace p2pd::daemon
