#include "net/ice_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.hpp"
#include "proto/datagram.hpp"

namespace p2pd::net {

namespace {

// Of a datagram, RFC 791 and RFC 8200; see the header's top.
constexpr int kQuicHopLimit = 63;
constexpr int kFrameHopLimits[] = {62, 61};

// What UDP_SEGMENT cannot do for a device or a size, while the datagrams one by one may get through.
bool not_segmentable(int error) {
  return error == EIO || error == EINVAL || error == EOPNOTSUPP || error == ENOPROTOOPT || error == EMSGSIZE;
}

}  // namespace

void IceSocket::adopt(int fd, const proto::Endpoint& remote) {
  reset();
  descriptor_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!descriptor_) {
    base::log::warn("ice", "cannot duplicate the selected socket", {{"error", std::strerror(errno)}});
    return;
  }
  if (remote.v6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(remote.port);
    std::memcpy(&address.sin6_addr, remote.address.data(), sizeof address.sin6_addr);
    std::memcpy(&remote_, &address, remote_size_ = sizeof address);
  } else {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(remote.port);
    std::memcpy(&address.sin_addr, remote.address.data(), sizeof address.sin_addr);
    std::memcpy(&remote_, &address, remote_size_ = sizeof address);
  }
  if (!forbid_fragmentation(descriptor_.get(), remote.v6)) {
    base::log::debug("ice", "packets on the selected socket may be fragmented");
  }
  segments_ = can_segment();
  coalesces_ = set_coalescing(descriptor_.get(), true);
}

void IceSocket::reset() {
  stop_coalescing();
  descriptor_.reset();
}

// libnice's descriptor is the same socket.
void IceSocket::stop_coalescing() {
  if (std::exchange(coalesces_, false)) set_coalescing(descriptor_.get(), false);
}

int IceSocket::hop_limit(base::ByteView datagram) {
  if (proto::datagram_kind(datagram) == proto::DatagramKind::quic) return kQuicHopLimit;
  odd_frame_ = !odd_frame_;
  return kFrameHopLimits[odd_frame_ ? 1 : 0];
}

int IceSocket::send(base::ByteView datagram) {
  return send_message(descriptor_.get(), remote_, remote_size_, datagram, hop_limit(datagram));
}

int IceSocket::send_batch(base::ByteView datagrams, std::size_t size) {
  if (segments_ && datagrams.size() > size) {
    const int error = send_message(descriptor_.get(), remote_, remote_size_, datagrams, kQuicHopLimit,
                                   static_cast<std::uint16_t>(size));
    if (!not_segmentable(error)) return error;
    // EINVAL and EMSGSIZE are for this size, the others for good.
    segments_ = error == EINVAL || error == EMSGSIZE;
  }
  int error = 0;
  while (!datagrams.empty() && error == 0) error = send(base::take_front(datagrams, size));
  return error;
}

void enlarge_socket_buffers(int fd) {
  constexpr int kBytes = 4 * 1024 * 1024;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBytes, sizeof kBytes);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBytes, sizeof kBytes);
}

}  // namespace p2pd::net
