#include <cerrno>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/ice_socket.hpp"

namespace p2pd::net {

bool forbid_fragmentation(int fd, bool v6) {
  const int on = 1;
#if defined(IPV6_DONTFRAG)
  if (v6) return ::setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof on) == 0;
#endif
#if defined(IP_DONTFRAG)
  if (!v6) return ::setsockopt(fd, IPPROTO_IP, IP_DONTFRAG, &on, sizeof on) == 0;
#endif
  static_cast<void>(fd);
  static_cast<void>(v6);
  static_cast<void>(on);
  return false;
}

bool can_segment() { return false; }

bool set_coalescing(int, bool) { return false; }

int send_message(int fd, const sockaddr_storage& to, socklen_t size, base::ByteView bytes, int,
                 std::uint16_t) {
  return ::sendto(fd, bytes.data(), bytes.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to),
                  size) < 0
             ? errno
             : 0;
}

}  // namespace p2pd::net
