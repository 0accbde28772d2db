#include <cerrno>

#include <sys/socket.h>

#include "ipc/peer_credentials.hpp"

namespace p2pd::ipc {
namespace {

// Those of the process that called connect(), as it was then. Without them (before Linux 4.13) a client has
// only its own group, so it may do less.
std::vector<gid_t> supplementary_groups(int socket) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool told = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const std::size_t count = size / sizeof(gid_t);
    if (!told && (errno != ERANGE || count <= groups.size())) return {};
    groups.resize(count);
    if (told) return groups;
  }
}

}  // namespace

std::optional<Credentials> peer_credentials(int socket) {
  ucred who{};
  socklen_t size = sizeof(who);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || size != sizeof(who)) {
    return std::nullopt;
  }
  // What the kernel fills in for a peer without credentials.
  if (who.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return Credentials{who.uid, who.gid, supplementary_groups(socket)};
}

}  // namespace p2pd::ipc
