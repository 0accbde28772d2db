// What a NAT remembers and decides (RFC 4787): which outside port a socket inside gets, and whom it lets in.
// Pure: no I/O, no clock; mappings last until forget(). Any one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "tests/lab/packet.hpp"

namespace p2pd::lab {

// What another destination (mapping) or source (filtering) must share with one that was sent to (RFC
// 4787 4.1, 5).
enum class Dependence : std::uint8_t { endpoint, address, port };
enum class PortChoice : std::uint8_t {
  preserve,    // the inside port where it is free, else a random one
  sequential,  // one after the other
  random,
};

struct NatConfig {
  std::uint32_t public_ip = 0;  // host order, as the two below
  std::uint32_t inside_ip = 0;  // the network inside, for telling where a packet comes from
  std::uint32_t inside_mask = 0;
  Dependence mapping = Dependence::endpoint;
  Dependence filtering = Dependence::port;
  PortChoice ports = PortChoice::preserve;
  bool hairpin = false;
};

class NatTable {
 public:
  // `seed`: of the random ports.
  NatTable(const NatConfig& config, std::uint32_t seed) : config_(config), random_(seed) {}

  // Rewrites a packet that comes from inside, or from outside to the public address; false: drop it.
  [[nodiscard]] bool translate(Packet& packet);
  void forget();

 private:
  struct Mapping {
    Address inside;
    std::set<Address> contacted;  // with what filtering ignores set to zero
  };
  using Port = std::pair<std::uint8_t, std::uint16_t>;  // protocol and number
  struct Key {
    std::uint8_t protocol = 0;
    Address inside;
    Address destination;  // with what mapping ignores set to zero
    [[nodiscard]] auto operator<=>(const Key&) const = default;
  };

  [[nodiscard]] bool outwards(Packet& packet);
  [[nodiscard]] bool inwards(Packet& packet);
  [[nodiscard]] std::optional<std::uint16_t> choose(std::uint8_t protocol, std::uint16_t wanted);

  NatConfig config_;
  std::minstd_rand random_;
  std::uint16_t next_ = 20'000;
  std::map<Key, std::uint16_t> ports_;
  std::map<Port, Mapping> mappings_;
};

}  // namespace p2pd::lab
