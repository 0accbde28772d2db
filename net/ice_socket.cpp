#include "net/ice_socket.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.hpp"

namespace p2pd::net {

void IceSocket::adopt(int fd, const proto::Endpoint& remote) {
  descriptor_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  remote_ = remote;
  if (!descriptor_) {
    base::log::warn("ice", "cannot duplicate the selected socket", {{"error", std::strerror(errno)}});
    return;
  }
  if (!forbid_fragmentation(descriptor_.get(), remote.v6)) {
    base::log::debug("ice", "packets on the selected socket may be fragmented");
  }
}

int IceSocket::send(base::ByteView datagram) const {
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (remote_.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(remote_.port);
    std::memcpy(&address.sin6_addr, remote_.address.data(), sizeof address.sin6_addr);
    std::memcpy(&storage, &address, size = sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(remote_.port);
    std::memcpy(&address.sin_addr, remote_.address.data(), sizeof address.sin_addr);
    std::memcpy(&storage, &address, size = sizeof address);
  }
  const auto sent = ::sendto(descriptor_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&storage), size);
  return sent < 0 ? errno : 0;
}

void enlarge_socket_buffers(int fd) {
  constexpr int kBytes = 4 * 1024 * 1024;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBytes, sizeof kBytes);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBytes, sizeof kBytes);
}

}  // namespace p2pd::net
