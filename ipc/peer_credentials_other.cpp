#include <unistd.h>

#include "ipc/peer_credentials.hpp"

namespace p2pd::ipc {

std::optional<Credentials> peer_credentials(int socket) {
  Credentials who;
  if (::getpeereid(socket, &who.uid, &who.gid) != 0) return std::nullopt;
  return who;
}

}  // namespace p2pd::ipc
