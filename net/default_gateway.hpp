// The IPv4 router that this machine's packets to the world go to first. Plain values; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "proto/candidate.hpp"

namespace p2pd::net {

struct Gateway {
  proto::Endpoint address;  // port 0
  proto::Endpoint local;    // our address that packets to it come from; port 0

  [[nodiscard]] bool operator==(const Gateway&) const = default;
};

// Empty without a default route, or where the system does not tell.
[[nodiscard]] std::optional<Gateway> default_gateway();

// Linux's /proc/net/route: the gateway of the default route with the lowest metric.
[[nodiscard]] std::optional<proto::Endpoint> gateway_of_route_table(std::string_view table);

// Our address that packets to `to` come from, port 0; empty where there is no route.
[[nodiscard]] std::optional<proto::Endpoint> source_address(const proto::Endpoint& to);

}  // namespace p2pd::net
