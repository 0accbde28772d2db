#include "net/local_addresses.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/log.hpp"

namespace p2pd::net {

namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

std::optional<proto::Endpoint> to_endpoint(const sockaddr& address) {
  proto::Endpoint endpoint;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    std::memcpy(endpoint.address.data(), &v4.sin_addr, sizeof v4.sin_addr);
    return endpoint;
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    endpoint.v6 = true;
    std::memcpy(endpoint.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    return endpoint;
  }
  return std::nullopt;
}

bool is_link_local(const proto::Endpoint& endpoint) {
  const auto& bytes = endpoint.address;
  if (endpoint.v6) return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  return bytes[0] == 169 && bytes[1] == 254;
}

}  // namespace

std::vector<LocalAddress> local_addresses() {
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) {
    base::log::warn("net", "the system does not list its network addresses",
                    {{"error", std::strerror(errno)}});
    return {};
  }
  const std::unique_ptr<ifaddrs, FreeAddresses> list(raw);
  std::vector<LocalAddress> found;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_RUNNING) == 0) continue;
    const auto endpoint = to_endpoint(*entry->ifa_addr);
    if (!endpoint) continue;
    const bool loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    found.push_back({entry->ifa_name, *endpoint, loopback, is_link_local(*endpoint)});
  }
  return found;
}

}  // namespace p2pd::net
