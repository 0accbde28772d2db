// What the parsers of this folder share. For its .cpp files only.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/error.hpp"

namespace p2pd::proto {

// `value`, if the reader has read its frame exactly.
template <class Frame, class Value>
base::Result<Frame> exact(const base::ByteReader& reader, std::string_view about, Value value) {
  if (reader.failed()) return frame_error(FrameError::truncated, std::string(about));
  if (!reader.finished()) return frame_error(FrameError::trailing_bytes, std::string(about));
  return Frame(std::move(value));
}

}  // namespace p2pd::proto
