// lab_nat: a NAT in user space on a TUN device, for behaviours that the kernel's own NAT does not have.
// Everything that is routed to the device is translated and written back; SIGHUP forgets every mapping;
// SIGTERM ends it.
//
//   lab_nat --device NAME --public ADDRESS --inside NETWORK/BITS [--mapping endpoint|address|port]
//           [--filtering endpoint|address|port] [--ports preserve|sequential|random] [--hairpin]
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <poll.h>
#include <sys/signalfd.h>

#include "base/descriptor.hpp"
#include "tests/lab/nat_table.hpp"
#include "tests/lab/tun.hpp"

namespace p2pd::lab {
namespace {

struct Options {
  std::string device;
  NatConfig nat;
};

Dependence dependence_from(const std::string& text) {
  if (text == "endpoint") return Dependence::endpoint;
  if (text == "address") return Dependence::address;
  if (text == "port") return Dependence::port;
  give_up("'" + text + "' is none of endpoint, address, port");
}

PortChoice ports_from(const std::string& text) {
  if (text == "preserve") return PortChoice::preserve;
  if (text == "sequential") return PortChoice::sequential;
  if (text == "random") return PortChoice::random;
  give_up("'" + text + "' is none of preserve, sequential, random");
}

void read_network(const std::string& text, NatConfig& config) {
  const auto slash = text.find('/');
  const int bits = slash == std::string::npos ? 0 : std::atoi(text.c_str() + slash + 1);
  if (bits < 1 || bits > 32) give_up("'" + text + "' is no network: write 192.168.1.0/24");
  config.inside_mask = ~std::uint32_t{0} << (32 - bits);
  config.inside_ip = ip_from(text.substr(0, slash)) & config.inside_mask;
}

Options read_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string option = words[i];
    if (option == "--hairpin") {
      options.nat.hairpin = true;
      continue;
    }
    if (++i == count) give_up(option + " needs a value");
    const std::string value = words[i];
    if (option == "--device") {
      options.device = value;
    } else if (option == "--public") {
      options.nat.public_ip = ip_from(value);
    } else if (option == "--inside") {
      read_network(value, options.nat);
    } else if (option == "--mapping") {
      options.nat.mapping = dependence_from(value);
    } else if (option == "--filtering") {
      options.nat.filtering = dependence_from(value);
    } else if (option == "--ports") {
      options.nat.ports = ports_from(value);
    } else {
      give_up("unknown option " + option);
    }
  }
  if (options.device.empty() || options.nat.public_ip == 0 || options.nat.inside_mask == 0)
    give_up("lab_nat needs --device, --public and --inside");
  return options;
}

base::Descriptor signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&wanted, number);
  sigprocmask(SIG_BLOCK, &wanted, nullptr);
  return base::Descriptor(signalfd(-1, &wanted, SFD_CLOEXEC));
}

void run(const Options& options) {
  const base::Descriptor signal = signals();
  NatTable table(options.nat, std::random_device{}());
  Tun tun(options.device);
  std::fprintf(stderr, "ready\n");
  std::array<std::uint8_t, 65'536> buffer;
  std::array<pollfd, 2> waiting{{{tun.descriptor(), POLLIN, 0}, {signal.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) give_up(std::strerror(errno));
    while (const std::size_t size = tun.read(buffer)) {
      const auto bytes = std::span(buffer).first(size);
      auto packet = Packet::parse(bytes);
      // Which is nearer is the kernel's to tell by an ICMP message; a NAT that says nothing is common.
      if (packet && packet->take_hop() && table.translate(*packet)) tun.write(bytes);
    }
    if ((waiting[1].revents & POLLIN) == 0) continue;
    signalfd_siginfo info{};
    if (::read(signal.get(), &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo != SIGHUP) return;
    table.forget();
  }
}

}  // namespace
}  // namespace p2pd::lab

int main(int count, char** words) {
  p2pd::lab::run(p2pd::lab::read_options(count, words));
  return 0;
}
