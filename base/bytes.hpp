// Bytes and the two cursors every codec here is written with. ByteReader never throws and never reads past
// its end: a short read sets failed() and yields zeros or an empty view, so a parser checks once, at its end.
// Integers are big-endian. Plain values; any thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace p2pd::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

[[nodiscard]] ByteView as_bytes(std::string_view text);
[[nodiscard]] std::string_view as_text(ByteView bytes);
[[nodiscard]] std::string to_hex(ByteView bytes);

// Cuts up to `size` bytes, at least 1, from the front of `rest`.
[[nodiscard]] inline ByteView take_front(ByteView& rest, std::size_t size) {
  const ByteView front = rest.first(std::min(size, rest.size()));
  rest = rest.subspan(front.size());
  return front;
}

// RFC 4648 section 4, with padding; decoding is strict (no blanks, canonical trailing bits). Returns false on
// error.
[[nodiscard]] std::string to_base64(ByteView bytes);
[[nodiscard]] bool from_base64(std::string_view text, Bytes& out);

// RFC 4648 section 6 in lower case, without padding; decoding accepts only what encoding produces.
[[nodiscard]] std::string to_base32(ByteView bytes);
[[nodiscard]] bool from_base32(std::string_view text, Bytes& out);

// Equality in time that depends on the sizes only; for secrets and MACs.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b);

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  ByteView take(std::size_t count);
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    const ByteView view = take(N);
    std::copy(view.begin(), view.end(), out.begin());
    return out;
  }
  // A string with a one-byte (two-byte) length in front of it.
  std::string_view text8();
  std::string_view text16();
  ByteView rest();

  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] bool failed() const { return failed_; }
  // All was read and nothing was missing.
  [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

 private:
  ByteView rest_;
  bool failed_ = false;
};

class ByteWriter {
 public:
  ByteWriter& u8(std::uint8_t value);
  ByteWriter& u16(std::uint16_t value);
  ByteWriter& u32(std::uint32_t value);
  ByteWriter& u64(std::uint64_t value);
  ByteWriter& bytes(ByteView view);
  // Asserts that the text fits its length field (255, 65,535 bytes).
  ByteWriter& text8(std::string_view text);
  ByteWriter& text16(std::string_view text);

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] const Bytes& view() const { return out_; }
  [[nodiscard]] Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

}  // namespace p2pd::base
