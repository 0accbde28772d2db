#include "base/random.hpp"

#include <algorithm>
#include <cstring>

#include <sys/random.h>

#include "base/assert.hpp"

namespace p2pd::base {

void fill_random(std::span<std::uint8_t> out) {
  // getentropy gives at most 256 bytes a call.
  while (!out.empty()) {
    const std::size_t count = std::min<std::size_t>(out.size(), 256);
    P2PD_ASSERT(getentropy(out.data(), count) == 0);
    out = out.subspan(count);
  }
}

std::uint64_t random_u64() {
  const auto bytes = random_array<8>();
  std::uint64_t out = 0;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

double random_unit() { return static_cast<double>(random_u64() >> 11) * 0x1.0p-53; }

}  // namespace p2pd::base
