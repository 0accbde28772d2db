// A peer's name: its whole 32-byte Ed25519 public key, written as 52 characters of lower-case base32 (RFC
// 4648 section 6, no padding). Only the canonical form is read: another spelling of the same key is refused,
// so that text can be compared. Ordered bytewise; the lower ID of a pair arbitrates its connections. A plain
// value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::base {

class PeerId {
 public:
  static constexpr std::size_t kSize = 32;
  static constexpr std::size_t kTextSize = 52;

  PeerId() = default;  // all zero: no peer
  explicit PeerId(const std::array<std::uint8_t, kSize>& key) : key_(key) {}

  // Errors: wrong length, a character outside [a-z2-7], bits set past the key's end; each its own sentence.
  [[nodiscard]] static Result<PeerId> parse(std::string_view text);
  // `bytes` must have kSize bytes.
  [[nodiscard]] static Result<PeerId> from_bytes(ByteView bytes);

  [[nodiscard]] std::string text() const { return to_base32(key_); }
  // The first 10 characters, for logs only; never to find a peer by.
  [[nodiscard]] std::string brief() const { return text().substr(0, 10); }
  [[nodiscard]] const std::array<std::uint8_t, kSize>& bytes() const { return key_; }
  [[nodiscard]] bool empty() const { return *this == PeerId(); }

  auto operator<=>(const PeerId&) const = default;

 private:
  std::array<std::uint8_t, kSize> key_{};
};

}  // namespace p2pd::base

template <>
struct std::hash<p2pd::base::PeerId> {
  std::size_t operator()(const p2pd::base::PeerId& id) const noexcept;
};
