#include "tests/lab/nat_table.hpp"

namespace p2pd::lab {
namespace {

constexpr std::uint16_t kLowestPort = 1'024;
constexpr std::uint16_t kHighestPort = 65'535;

Address reduced(const Address& address, Dependence dependence) {
  switch (dependence) {
    case Dependence::endpoint:
      return {};
    case Dependence::address:
      return {address.ip, 0};
    case Dependence::port:
      break;
  }
  return address;
}

}  // namespace

bool NatTable::translate(Packet& packet) {
  const bool from_inside = (packet.source().ip & config_.inside_mask) == config_.inside_ip;
  const bool to_public = packet.destination().ip == config_.public_ip;
  // RFC 4787 6: a hairpinned packet has the outside source, and is filtered as any other by it.
  if (from_inside && to_public) return config_.hairpin && outwards(packet) && inwards(packet);
  if (from_inside) return outwards(packet);
  return to_public && inwards(packet);
}

void NatTable::forget() {
  ports_.clear();
  mappings_.clear();
}

bool NatTable::outwards(Packet& packet) {
  const Address inside = packet.source();
  const Address destination = packet.destination();
  const Key key{packet.protocol(), inside, reduced(destination, config_.mapping)};
  auto known = ports_.find(key);
  if (known == ports_.end()) {
    const auto port = choose(key.protocol, inside.port);
    if (!port) return false;
    known = ports_.emplace(key, *port).first;
    mappings_.emplace(Port{key.protocol, *port}, Mapping{inside, {}});
  }
  mappings_.at({key.protocol, known->second}).contacted.insert(reduced(destination, config_.filtering));
  packet.set_source({config_.public_ip, known->second});
  return true;
}

bool NatTable::inwards(Packet& packet) {
  const auto mapping = mappings_.find({packet.protocol(), packet.destination().port});
  if (mapping == mappings_.end()) return false;
  const Address from = reduced(packet.source(), config_.filtering);
  if (config_.filtering != Dependence::endpoint && !mapping->second.contacted.contains(from)) return false;
  packet.set_destination(mapping->second.inside);
  return true;
}

// Nothing when every port is taken.
std::optional<std::uint16_t> NatTable::choose(std::uint8_t protocol, std::uint16_t wanted) {
  const auto free = [&](std::uint16_t port) {
    return port >= kLowestPort && !mappings_.contains({protocol, port});
  };
  if (config_.ports == PortChoice::preserve && free(wanted)) return wanted;
  std::uniform_int_distribution<std::uint32_t> any(kLowestPort, kHighestPort);
  for (std::uint32_t tries = 0; tries <= kHighestPort; ++tries) {
    const auto port =
        config_.ports == PortChoice::sequential ? next_++ : static_cast<std::uint16_t>(any(random_));
    if (free(port)) return port;
  }
  return std::nullopt;
}

}  // namespace p2pd::lab
