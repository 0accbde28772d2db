// Cuts a byte stream into frames that start with their length (u16 or u32, big-endian, not counting itself).
// A length over the limit is an error before a byte is waited for, so that what is held is at most one
// frame and the last piece fed. Owned by a stream's reader, on its thread; after an error it stays in error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

class Deframer {
 public:
  enum class LengthField : std::uint8_t { u16 = 2, u32 = 4 };

  // Frames have 1 to `max_frame` bytes.
  Deframer(LengthField length_field, std::size_t max_frame)
      : length_size_(static_cast<std::size_t>(length_field)), max_frame_(max_frame) {}

  void feed(base::ByteView piece);
  // The next whole frame without its length, valid until the next feed(); nothing when more bytes are needed.
  [[nodiscard]] base::Result<std::optional<base::ByteView>> next();
  [[nodiscard]] std::size_t buffered() const { return buffer_.size() - read_; }

 private:
  std::size_t length_size_;
  std::size_t max_frame_;
  base::Bytes buffer_;
  std::size_t read_ = 0;  // of buffer_, already returned
};

}  // namespace p2pd::proto
