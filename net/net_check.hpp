// The network check: what this machine's network does with UDP, found out with STUN servers (RFC 5780) in a
// few seconds, most of them waiting for what may not come. Both address families at once; of each: is UDP let
// out, from which address is this machine seen, how does the NAT map, filter, choose ports and loop back, how
// large a packet arrives. One coroutine on the caller's executor; ends by itself after at most about
// 8 s, or when the caller is cancelled.
#pragma once

#include <optional>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/clock.hpp"
#include "net/stun_client.hpp"
#include "proto/net_report.hpp"

namespace p2pd::net {

struct NetCheckConfig {
  std::vector<proto::Endpoint> servers;  // the first four of each family are asked
  bool allow_loopback = false;           // loopback addresses count as addresses of this machine
  StunTiming timing{};
};

struct StunServerReport {
  proto::Endpoint server;
  std::optional<base::Duration> rtt;       // nothing: no answer
  std::optional<proto::Endpoint> outside;  // as it sees this machine
  bool behaviour = false;                  // it has a second address, for RFC 5780's tests
};

struct NetFindings {
  proto::FamilyReport ipv4;
  proto::FamilyReport ipv6;
  std::vector<StunServerReport> servers;
};

[[nodiscard]] boost::asio::awaitable<NetFindings> check_network(NetCheckConfig config);

}  // namespace p2pd::net
