// Unpredictable bytes from the kernel. Any thread. What must be replayable (the simulation) takes its
// randomness through an interface instead.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace p2pd::base {

// Aborts when the kernel has none to give: nothing here is safe to run without it.
void fill_random(std::span<std::uint8_t> out);

template <std::size_t N>
[[nodiscard]] std::array<std::uint8_t, N> random_array() {
  std::array<std::uint8_t, N> out;
  fill_random(out);
  return out;
}

[[nodiscard]] std::uint64_t random_u64();
// Uniform in [0, 1).
[[nodiscard]] double random_unit();

}  // namespace p2pd::base
