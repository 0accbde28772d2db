// The IP addresses of this machine's interfaces that are up: what ICE may offer, what a remote candidate must
// not be, and, compared with an earlier list, whether the network has changed. Plain values; any thread.
#pragma once

#include <string>
#include <vector>

#include "proto/candidate.hpp"

namespace p2pd::net {

struct LocalAddress {
  std::string interface_name;
  proto::Endpoint address;  // port 0
  bool loopback = false;
  bool link_local = false;  // RFC 3927, RFC 4291 2.5.6

  [[nodiscard]] bool operator==(const LocalAddress&) const = default;
};

// In the kernel's order, which only changes with the network. Empty when the system does not tell.
[[nodiscard]] std::vector<LocalAddress> local_addresses();

}  // namespace p2pd::net
