#include "tests/lab/tun.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace p2pd::lab {

Tun::Tun(const std::string& name) : descriptor_(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)) {
  if (!descriptor_) give_up(std::string("cannot open /dev/net/tun: ") + std::strerror(errno));
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) give_up("'" + name + "' is too long for a device's name");
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(descriptor_.get(), TUNSETIFF, &request) != 0)
    give_up("cannot make the device '" + name + "': " + std::strerror(errno));
}

std::size_t Tun::read(std::span<std::uint8_t> buffer) {
  const ssize_t size = ::read(descriptor_.get(), buffer.data(), buffer.size());
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno != EAGAIN && errno != EINTR) give_up(std::string("cannot read packets: ") + std::strerror(errno));
  return 0;
}

void Tun::write(std::span<const std::uint8_t> packet) {
  // What the kernel does not take is lost, as on any network.
  [[maybe_unused]] const ssize_t lost = ::write(descriptor_.get(), packet.data(), packet.size());
}

std::uint32_t ip_from(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) give_up("'" + text + "' is no IPv4 address");
  return ntohl(address.s_addr);
}

void give_up(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

}  // namespace p2pd::lab
