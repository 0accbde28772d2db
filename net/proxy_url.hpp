// The proxy that relay sessions go through: socks5://[USER:PASSWORD@]HOST:PORT or http://... A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace p2pd::net {

struct ProxyUrl {
  enum class Kind { socks5, http };

  Kind kind = Kind::socks5;
  std::string host;  // an address or "localhost": asking for a name would be a DNS query outside the proxy
  std::uint16_t port = 0;
  std::string user;      // empty: none
  std::string password;  // a secret

  // Errors, each a sentence that does not repeat the text, which may hold a password.
  [[nodiscard]] static base::Result<ProxyUrl> parse(std::string_view text);

  // For people and logs: the password is left out.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool operator==(const ProxyUrl&) const = default;
};

}  // namespace p2pd::net
