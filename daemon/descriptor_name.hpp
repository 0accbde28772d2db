// What a descriptor's file is called, for a sender that did not say. Any thread.
#pragma once

#include <string>

namespace p2pd::daemon {

// The last component of its name; empty where the system does not tell. The name is only told, nothing is
// opened by it.
[[nodiscard]] std::string descriptor_name(int fd);

}  // namespace p2pd::daemon
