#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
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

bool can_segment() { return true; }  // Linux 4.18; older ones refuse the message

bool set_coalescing(int fd, bool on) {
  const int value = on ? 1 : 0;
  return ::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &value, sizeof value) == 0;  // Linux 5.0
}

int send_message(int fd, const sockaddr_storage& to, socklen_t size, base::ByteView bytes, int hop_limit,
                 std::uint16_t segment) {
  // The kernel does not write to either.
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = const_cast<sockaddr_storage*>(&to);
  message.msg_namelen = size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof hop_limit) + CMSG_SPACE(sizeof segment)> control{};
  message.msg_control = control.data();
  message.msg_controllen = segment == 0 ? CMSG_SPACE(sizeof hop_limit) : control.size();
  cmsghdr* option = CMSG_FIRSTHDR(&message);
  option->cmsg_level = to.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  option->cmsg_type = to.ss_family == AF_INET6 ? IPV6_HOPLIMIT : IP_TTL;
  option->cmsg_len = CMSG_LEN(sizeof hop_limit);
  std::memcpy(CMSG_DATA(option), &hop_limit, sizeof hop_limit);
  if (segment != 0) {
    option = CMSG_NXTHDR(&message, option);
    option->cmsg_level = IPPROTO_UDP;
    option->cmsg_type = UDP_SEGMENT;
    option->cmsg_len = CMSG_LEN(sizeof segment);
    std::memcpy(CMSG_DATA(option), &segment, sizeof segment);
  }
  return ::sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? errno : 0;
}

}  // namespace p2pd::net
