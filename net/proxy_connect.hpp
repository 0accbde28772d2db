// A TCP connection through a proxy, which is asked by name so that no name is resolved here: SOCKS 5 (RFC
// 1928, user and password of RFC 1929) or HTTP CONNECT (RFC 9110 section 9.3.6, Basic of RFC 7617).
// Cancellable at any moment; the caller sets the deadline.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/result.hpp"
#include "net/proxy_url.hpp"

namespace p2pd::net {

// `host`: a name or an address. Errors: what connect_tcp() says of the proxy; RelayError::proxy_failed with
// what the proxy answered; RelayError::proxy_refused where it wants (other) credentials.
[[nodiscard]] boost::asio::awaitable<base::Result<boost::asio::ip::tcp::socket>> connect_through_proxy(
    ProxyUrl proxy, std::string host, std::uint16_t port);

}  // namespace p2pd::net
