// The host and port of a URL (RFC 3986 3.2.2, 3.2.3), without user information. Private to net/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace p2pd::net {

struct UrlAuthority {
  std::string host;  // lower case; an IPv6 address in its one spelling, without its brackets
  std::optional<std::uint16_t> port;
  std::string_view fault;  // what is wrong, the end of a sentence; empty: nothing
};

// "host", "host:port", "[v6]", "[v6]:port".
[[nodiscard]] UrlAuthority parse_url_authority(std::string_view text);
// With the brackets of an IPv6 address.
[[nodiscard]] std::string url_host(const std::string& host);

}  // namespace p2pd::net
