// What every parser here must survive. `parse` returns a Result; `encode` turns its value back into bytes.
// The codecs have one spelling for each value, so whatever is accepted must encode to the bytes it came from.
#pragma once

#include <cstdint>
#include <random>

#include <gtest/gtest.h>

#include "base/bytes.hpp"

namespace p2pd::proto::test {

template <class Parse, class Encode>
void expect_one_spelling(base::ByteView bytes, Parse& parse, Encode& encode) {
  const auto parsed = parse(bytes);
  if (!parsed) return;
  const base::Bytes again = encode(*parsed);
  EXPECT_EQ(base::to_hex(again), base::to_hex(bytes));
}

template <class Parse>
void expect_truncations_refused(const base::Bytes& frame, Parse parse) {
  for (std::size_t size = 0; size < frame.size(); ++size) {
    // A copy of its own, so that a read past the end is one past an allocation.
    const base::Bytes cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(parse(cut)) << "accepted when cut to " << size << " of " << frame.size();
  }
}

template <class Parse>
void expect_extension_refused(base::Bytes frame, Parse parse) {
  frame.push_back(0);
  EXPECT_FALSE(parse(frame));
}

template <class Parse, class Encode>
void expect_survives_bit_flips(const base::Bytes& frame, Parse parse, Encode encode) {
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    base::Bytes flipped = frame;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    expect_one_spelling(flipped, parse, encode);
  }
}

template <class Parse, class Encode>
void expect_survives_noise(Parse parse, Encode encode, std::uint8_t highest_type) {
  std::mt19937 random(20'240'607);
  for (int round = 0; round < 20'000; ++round) {
    base::Bytes bytes(random() % 300);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    // Half of them get past the type.
    if (!bytes.empty() && round % 2 == 0) bytes[0] = static_cast<std::uint8_t>(bytes[0] % (highest_type + 1));
    expect_one_spelling(bytes, parse, encode);
  }
}

}  // namespace p2pd::proto::test
