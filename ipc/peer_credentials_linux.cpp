#include <sys/socket.h>

#include "ipc/peer_credentials.hpp"

namespace p2pd::ipc {

std::optional<Credentials> peer_credentials(int socket) {
  ucred who{};
  socklen_t size = sizeof(who);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || size != sizeof(who)) {
    return std::nullopt;
  }
  // What the kernel fills in for a peer without credentials.
  if (who.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return Credentials{who.uid, who.gid};
}

}  // namespace p2pd::ipc
