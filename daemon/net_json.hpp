// The network check's findings as the API's JSON. Pure functions; control thread.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "daemon/net_checker.hpp"
#include "daemon/relay_hub.hpp"
#include "net/port_mapper.hpp"
#include "proto/net_report.hpp"

namespace p2pd::daemon {

// The result of net.report.
[[nodiscard]] nlohmann::json to_json(const NetCheckResult& result,
                                     const std::vector<RelayHub::Status>& relays,
                                     const net::PortMapperStatus& mapper);
// {direct, ipv4, ipv6}, as one peer tells another.
[[nodiscard]] nlohmann::json to_json(const proto::NetReport& report);

}  // namespace p2pd::daemon
