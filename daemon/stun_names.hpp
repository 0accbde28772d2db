// The STUN and TURN servers' names looked up: libnice and the network check ask by address. A coroutine on
// the caller's executor; ends at the latest after 10 s, or when the caller is cancelled.
#pragma once

#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/options.hpp"
#include "net/turn_server.hpp"
#include "proto/candidate.hpp"

namespace p2pd::daemon {

// The configured servers; without any, RFC 8489's port of each relay's host.
[[nodiscard]] std::vector<HostPort> stun_names(const Options& options);

struct StunAddresses {
  std::vector<proto::Endpoint> servers;  // in the order of the names
  bool missing = false;                  // some name did not resolve; a warning says which
};
[[nodiscard]] boost::asio::awaitable<StunAddresses> look_up_stun(std::vector<HostPort> names);

struct TurnAddresses {
  std::vector<net::TurnServer> servers;  // one for each address of each name
  bool missing = false;
};
// With the credentials of `secret`; the same rules.
[[nodiscard]] boost::asio::awaitable<TurnAddresses> look_up_turn(std::vector<TurnUri> uris,
                                                                 TurnSecret secret);

}  // namespace p2pd::daemon
