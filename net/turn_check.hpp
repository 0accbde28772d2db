// Whether a TURN server gives this machine an allocation (RFC 8656), for the network check: libnice asks for
// one as ICE would, and returns it. A coroutine on the io_context's thread; it ends after at most 4 s, or
// when the caller is cancelled, and the allocation is returned in a second or two after that.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/clock.hpp"
#include "net/turn_server.hpp"

namespace p2pd::net {

struct TurnServerReport {
  proto::Endpoint server;
  TurnServer::Transport transport = TurnServer::Transport::udp;
  std::optional<proto::Endpoint> relayed;  // the allocation's address; nothing: there was none
  base::Duration took{};                   // to it: two round trips, three over TCP
  bool answered = false;                   // without an allocation: something is there and refuses it
};

[[nodiscard]] boost::asio::awaitable<TurnServerReport> check_turn_server(boost::asio::io_context& io,
                                                                         TurnServer server,
                                                                         bool allow_loopback);

}  // namespace p2pd::net
