#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include "net/ice_socket.hpp"

namespace p2pd::net {

bool forbid_fragmentation(int fd, bool v6) {
  if (v6) {
    const int mode = IPV6_PMTUDISC_PROBE;
    return ::setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &mode, sizeof mode) == 0;
  }
  const int mode = IP_PMTUDISC_PROBE;
  return ::setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof mode) == 0;
}

}  // namespace p2pd::net
