// The first byte of every application stream says what it carries. The control stream is not one of them: it
// is the connection's first stream and has no such byte.
#pragma once

#include <cstdint>
#include <optional>

namespace p2pd::proto {

enum class StreamKind : std::uint8_t {
  messages = 1,
  files = 2,
  service = 3,
};

// Nothing: reset the stream with CloseCode::refused.
[[nodiscard]] constexpr std::optional<StreamKind> stream_kind(std::uint8_t first_byte) {
  if (first_byte == static_cast<std::uint8_t>(StreamKind::messages)) return StreamKind::messages;
  if (first_byte == static_cast<std::uint8_t>(StreamKind::files)) return StreamKind::files;
  if (first_byte == static_cast<std::uint8_t>(StreamKind::service)) return StreamKind::service;
  return std::nullopt;
}

}  // namespace p2pd::proto
