// What the parsers of this folder share. For its .cpp files only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/candidate.hpp"
#include "proto/error.hpp"

namespace p2pd::proto {

// `value`, if the reader has read its frame exactly.
template <class Frame, class Value>
base::Result<Frame> exact(const base::ByteReader& reader, std::string_view about, Value value) {
  if (reader.failed()) return frame_error(FrameError::truncated, std::string(about));
  if (!reader.finished()) return frame_error(FrameError::trailing_bytes, std::string(about));
  return Frame(std::move(value));
}

// Writes nothing but 0 and 1; reads nothing else, so that there is one spelling.
inline base::Result<bool> read_flag(base::ByteReader& reader, std::string_view about) {
  const std::uint8_t flag = reader.u8();
  if (flag > 1) return frame_error(FrameError::bad_value, std::string(about));
  return flag == 1;
}

// u8 family, the address in 4 or 16 bytes, u16 port.
inline void write_endpoint(base::ByteWriter& out, const Endpoint& endpoint) {
  out.u8(endpoint.v6 ? 6 : 4)
      .bytes(base::ByteView(endpoint.address).first(endpoint.v6 ? 16 : 4))
      .u16(endpoint.port);
}

inline base::Result<Endpoint> read_endpoint(base::ByteReader& reader, std::string_view about) {
  Endpoint endpoint;
  const std::uint8_t family = reader.u8();
  if (family != 4 && family != 6) return frame_error(FrameError::bad_value, std::string(about));
  endpoint.v6 = family == 6;
  const base::ByteView address = reader.take(endpoint.v6 ? 16 : 4);
  std::copy(address.begin(), address.end(), endpoint.address.begin());
  endpoint.port = reader.u16();
  return endpoint;
}

}  // namespace p2pd::proto
