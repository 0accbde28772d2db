// Cuts a byte stream into frames that start with their length (u16 or u32, big-endian, not counting itself).
// A length over the limit is an error before a byte is waited for, so that what is held is at most one
// frame and the last piece fed. Owned by a stream's reader, on its thread; after an error it stays in error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

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

// Frames of one kind, parsed. An error, an unknown type included, is for good and ends the connection with
// CloseCode::protocol_error.
template <class Frame, base::Result<Frame> (*parse)(base::ByteView), Deframer::LengthField length_field,
          std::size_t max_frame>
class FrameReader {
 public:
  void feed(base::ByteView piece) { deframer_.feed(piece); }
  // The next frame; nothing when more bytes are needed.
  [[nodiscard]] base::Result<std::optional<Frame>> next() {
    base::Result<std::optional<Frame>> out(boost::system::in_place_value);
    if (broken_) return out = *broken_;
    const auto frame = deframer_.next();
    if (!frame) return out = frame.error();
    if (!frame->has_value()) return out;
    base::Result<Frame> parsed = parse(**frame);
    if (parsed) {
      out->emplace(std::move(*parsed));
    } else {
      broken_ = parsed.error();
      out = *broken_;
    }
    return out;
  }

 private:
  Deframer deframer_{length_field, max_frame};
  std::optional<base::Error> broken_;  // the first error
};

}  // namespace p2pd::proto
