#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/assert.hpp"
#include "proto/service_frames.hpp"

using namespace p2pd;

namespace {

struct Opening {
  bool failed = false;
  std::optional<std::string> service;
  std::string rest;
  bool operator==(const Opening&) const = default;
};

Opening read(base::ByteView stream, std::size_t piece) {
  proto::ServiceOpenReader reader;
  Opening out;
  for (std::size_t at = 0; at < stream.size() && !out.failed; at += piece) {
    base::ByteView bytes = stream.subspan(at, std::min(piece, stream.size() - at));
    if (!out.service) {
      const auto name = reader.read(bytes);
      out.failed = name.has_error();
      if (name) out.service = *name;
    }
    if (!out.failed) out.rest += base::as_text(bytes);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView stream(data + 1, size - 1);
  const Opening whole = read(stream, std::max<std::size_t>(stream.size(), 1));
  P2PD_ASSERT(whole == read(stream, data[0] + std::size_t{1}));
  if (whole.service) {
    const base::Bytes again = proto::encode_service_open(*whole.service);
    P2PD_ASSERT(again.size() + whole.rest.size() == stream.size());
    P2PD_ASSERT(std::equal(again.begin(), again.end(), stream.begin()));
  }
  const auto answer = proto::parse_service_answer(data[0]);
  if (answer) P2PD_ASSERT(proto::encode_service_answer(*answer) == data[0]);
  return 0;
}
