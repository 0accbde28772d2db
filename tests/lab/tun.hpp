// A TUN device (Linux): IP packets that the kernel routes to it are read here, what is written here comes in
// by it. The device exists as long as this does.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/descriptor.hpp"

namespace p2pd::lab {

class Tun {
 public:
  // Needs CAP_NET_ADMIN in the network namespace. Exits with a message when the device cannot be had.
  explicit Tun(const std::string& name);

  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  // The next packet in `buffer`; 0 when there is none now.
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> buffer);
  void write(std::span<const std::uint8_t> packet);

 private:
  base::Descriptor descriptor_;
};

// "203.0.113.7" in host order; exits with a message when it is none.
[[nodiscard]] std::uint32_t ip_from(const std::string& text);
[[noreturn]] void give_up(const std::string& message);

}  // namespace p2pd::lab
