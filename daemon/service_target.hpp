// Where an exposed service's streams go: a TCP port of an address, or a Unix socket. Hosts are addresses or
// `localhost`, never names: looking one up would leave this machine. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/generic/stream_protocol.hpp>
#include <sys/types.h>

#include "base/result.hpp"

namespace p2pd::daemon {

struct ServiceTarget {
  std::string host;  // empty: a Unix socket
  std::uint16_t port = 0;
  std::string path;  // absolute

  [[nodiscard]] bool is_unix() const { return host.empty(); }
  // As parse_service_target() takes it.
  [[nodiscard]] std::string text() const;
  // To be tried in this order.
  [[nodiscard]] std::vector<boost::asio::generic::stream_protocol::endpoint> endpoints() const;
};

// "tcp:HOST:PORT", "unix:PATH". Error: invalid_params with a sentence.
[[nodiscard]] base::Result<ServiceTarget> parse_service_target(std::string_view text);

// Whether a Unix target may be used that `owner` has exposed: there, where something is, is a socket, it is
// the owner's (root may name anyone's), and it is not `own_socket`, by which the daemon itself is told what
// to do. Errors: not_permitted, invalid_params.
[[nodiscard]] base::Result<void> check_unix_target(const std::string& path, uid_t owner,
                                                   const std::string& own_socket);

}  // namespace p2pd::daemon
