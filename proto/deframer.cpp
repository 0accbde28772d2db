#include "proto/deframer.hpp"

#include "proto/error.hpp"

namespace p2pd::proto {
namespace {

// What an empty buffer may keep: a stream that once carried a large message is not to hold its memory for
// good.
constexpr std::size_t kKeptCapacity = 16 * 1024;

}  // namespace

void Deframer::feed(base::ByteView piece) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(read_));
  read_ = 0;
  if (buffer_.empty() && buffer_.capacity() > kKeptCapacity) buffer_ = {};
  buffer_.insert(buffer_.end(), piece.begin(), piece.end());
}

base::Result<std::optional<base::ByteView>> Deframer::next() {
  const base::ByteView waiting = base::ByteView(buffer_).subspan(read_);
  if (waiting.size() < length_size_) return std::optional<base::ByteView>();
  base::ByteReader reader(waiting);
  const std::size_t length = length_size_ == 2 ? reader.u16() : reader.u32();
  // The length stays in the buffer, so the error stays too.
  if (length == 0) return frame_error(FrameError::bad_value, "frame of length 0");
  if (length > max_frame_) return frame_error(FrameError::too_large, "frame");
  if (reader.remaining() < length) return std::optional<base::ByteView>();
  read_ += length_size_ + length;
  return std::optional(reader.take(length));
}

}  // namespace p2pd::proto
