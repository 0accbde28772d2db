// What the system tells of its network: the part of NetworkWatch that differs between systems. Private to
// net/.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/descriptor.hpp"

namespace p2pd::net {

// Becomes readable when an address, a link or a route changed. Empty: this system has none, or refuses it.
[[nodiscard]] base::Descriptor open_network_events();
// Reads and forgets all that waits.
void drain_network_events(int descriptor);
// How packets to the outside leave now (interface, router, source address), one text each for IPv4 and IPv6
// where there is such a route. Equal texts: the same way. An IPv6 address is a source only once it is known
// to be unique (RFC 4862 section 5.4), so this changes when it becomes usable.
[[nodiscard]] std::vector<std::string> outside_routes();
// How long this machine has slept since it was started; always zero where the system does not say.
[[nodiscard]] std::chrono::nanoseconds time_asleep();

}  // namespace p2pd::net
