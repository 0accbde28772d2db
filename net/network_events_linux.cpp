#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/log.hpp"
#include "net/network_events.hpp"

namespace p2pd::net {
namespace {

constexpr std::uint32_t kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
// Addresses that stand for "the outside": RFC 5737 and RFC 3849 reserve them, so nothing is ever there.
constexpr const char* kOutside4 = "192.0.2.1";
constexpr const char* kOutside6 = "2001:db8::1";

// netlink(7): aligned, and large enough that the kernel cuts nothing off.
struct Buffer {
  alignas(nlmsghdr) std::array<char, 32 * 1024> bytes;
};

base::Descriptor open_netlink(std::uint32_t groups) {
  base::Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    base::log::warn("net", "the system does not tell of network changes", {{"error", std::strerror(errno)}});
    return {};
  }
  return socket;
}

// Calls `visit` for each message of one read; false: nothing was there.
template <class Visit>
bool read_messages(int socket, Buffer& buffer, Visit visit) {
  const ssize_t size = ::recv(socket, buffer.bytes.data(), buffer.bytes.size(), MSG_DONTWAIT);
  if (size <= 0) return size < 0 && (errno == EINTR || errno == ENOBUFS);  // ENOBUFS: some were lost, read on
  auto left = static_cast<unsigned>(size);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.bytes.data()); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    visit(*header);
  }
  return true;
}

struct RouteQuery {
  nlmsghdr header{};
  rtmsg route{};
  rtattr attribute{};
  std::array<std::uint8_t, 16> destination{};
};

std::string describe_route(const nlmsghdr& header, int family) {
  const auto& route = *static_cast<const rtmsg*>(NLMSG_DATA(&header));
  std::string gateway;
  std::string source;
  unsigned interface = 0;
  auto left = static_cast<unsigned>(header.nlmsg_len - NLMSG_LENGTH(sizeof route));
  for (const auto* entry = RTM_RTA(&route); RTA_OK(entry, left); entry = RTA_NEXT(entry, left)) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    switch (entry->rta_type) {
      case RTA_OIF:
        std::memcpy(&interface, RTA_DATA(entry), sizeof interface);
        break;
      case RTA_GATEWAY:
        gateway = ::inet_ntop(family, RTA_DATA(entry), text.data(), text.size());
        break;
      case RTA_PREFSRC:
        source = ::inet_ntop(family, RTA_DATA(entry), text.data(), text.size());
        break;
      default:
        break;
    }
  }
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(interface, name.data()) == nullptr) return {};
  return fmt::format("from {} by {} through {}", source, name.data(), gateway);
}

// One question and its answer, as `ip route get` asks it; empty: no route.
std::string outside_route(int socket, Buffer& buffer, int family, const char* destination) {
  RouteQuery query;
  const std::size_t size = family == AF_INET ? 4 : 16;
  query.header.nlmsg_len = static_cast<std::uint32_t>(offsetof(RouteQuery, destination) + size);
  query.header.nlmsg_type = RTM_GETROUTE;
  query.header.nlmsg_flags = NLM_F_REQUEST;
  query.route.rtm_family = static_cast<unsigned char>(family);
  query.route.rtm_dst_len = static_cast<unsigned char>(size * 8);
  query.attribute.rta_type = RTA_DST;
  query.attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  ::inet_pton(family, destination, query.destination.data());
  if (::send(socket, &query, query.header.nlmsg_len, 0) < 0) return {};
  std::string found;
  // The kernel answers inside send(): nothing is waited for.
  read_messages(socket, buffer, [&](const nlmsghdr& header) {
    if (header.nlmsg_type == RTM_NEWROUTE) found = describe_route(header, family);
  });
  return found;
}

std::chrono::nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

base::Descriptor open_network_events() { return open_netlink(kGroups); }

void drain_network_events(int descriptor) {
  Buffer buffer;
  while (read_messages(descriptor, buffer, [](const nlmsghdr&) {})) {
  }
}

std::vector<std::string> outside_routes() {
  const base::Descriptor socket = open_netlink(0);
  if (!socket) return {};
  Buffer buffer;
  std::vector<std::string> routes;
  for (const auto& [family, destination] : {std::pair(AF_INET, kOutside4), std::pair(AF_INET6, kOutside6)}) {
    std::string route = outside_route(socket.get(), buffer, family, destination);
    if (!route.empty()) routes.push_back(std::move(route));
  }
  return routes;
}

std::chrono::nanoseconds time_asleep() { return read_clock(CLOCK_BOOTTIME) - read_clock(CLOCK_MONOTONIC); }

}  // namespace p2pd::net
