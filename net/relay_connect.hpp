// A TCP connection to a host name or address, quickly also where one address family is broken: RFC 8305, the
// next address is tried 250 ms after the one before, or at once when that one fails. Cancellable at any
// moment; the caller sets the deadline.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/result.hpp"

namespace p2pd::net {

[[nodiscard]] boost::asio::awaitable<base::Result<boost::asio::ip::tcp::socket>> connect_tcp(
    std::string host, std::uint16_t port);

// What every relay connection wants of its socket, at both ends.
void prepare_relay_socket(boost::asio::ip::tcp::socket& socket);

}  // namespace p2pd::net
