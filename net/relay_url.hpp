// Where a relay is: ws://HOST[:PORT][/PATH] or wss://... in one canonical form, so that two spellings of one
// relay are one session. A plain value.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace p2pd::net {

struct RelayUrl {
  bool tls = false;
  std::string host;  // lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;
  std::string path;  // begins with '/'

  // Errors, each a sentence: another scheme, no host, a bad port, user information, a query or a fragment.
  [[nodiscard]] static base::Result<RelayUrl> parse(std::string_view text);

  // Without the port and the path where they are the defaults (80, 443, /p2pd/v1).
  [[nodiscard]] std::string text() const;
  // "host:port", the port always written: what is signed, and the HTTP Host header.
  [[nodiscard]] std::string authority() const;

  auto operator<=>(const RelayUrl&) const = default;
};

}  // namespace p2pd::net
