// Who is at the other end of a connected Unix socket, as the kernel says. One file a platform:
// peer_credentials_linux.cpp (SO_PEERCRED, SO_PEERGROUPS) and peer_credentials_other.cpp (getpeereid, which
// tells no supplementary groups). Any thread.
#pragma once

#include <optional>

#include "ipc/access.hpp"

namespace p2pd::ipc {

// Nothing when the kernel does not say; such a client is refused.
[[nodiscard]] std::optional<Credentials> peer_credentials(int socket);

}  // namespace p2pd::ipc
