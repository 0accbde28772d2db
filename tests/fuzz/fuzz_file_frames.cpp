#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"
#include "proto/file_frames.hpp"
#include "proto/file_name.hpp"
#include "tests/fuzz/property.hpp"

using namespace p2pd;

namespace {

// What a stream holds, data joined; nothing of what comes behind an error.
base::Bytes read(base::ByteView stream, std::size_t piece, bool& failed) {
  proto::FileDeframer deframer;
  base::ByteWriter out;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    deframer.feed(stream.subspan(at, std::min(piece, stream.size() - at)));
    while (true) {
      const auto next = deframer.next();
      failed = next.has_error();
      if (failed) return out.take();
      if (!*next) break;
      if (const auto* data = std::get_if<proto::FileDataPiece>(&**next)) {
        P2PD_ASSERT(!data->bytes.empty());
        out.bytes(data->bytes);
      } else {
        out.bytes(proto::encode(std::get<proto::FileFrame>(**next)));
      }
    }
  }
  return out.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  const auto body = [](const proto::FileFrame& frame) {
    const base::Bytes bytes = proto::encode(frame);
    return base::Bytes(bytes.begin() + 4, bytes.end());
  };
  fuzz::check_one_spelling(input, proto::parse_file_frame, body);
  if (!input.empty()) {
    bool whole_failed = false;
    bool pieces_failed = false;
    const base::ByteView stream = input.subspan(1);
    const base::Bytes whole = read(stream, std::max<std::size_t>(stream.size(), 1), whole_failed);
    P2PD_ASSERT(whole == read(stream, input[0] + std::size_t{1}, pieces_failed));
    P2PD_ASSERT(whole_failed == pieces_failed);
  }
  const std::string_view name = base::as_text(input);
  if (proto::file_name_fault(name).empty()) {
    P2PD_ASSERT(proto::file_name_fault(proto::other_file_name(name, 9'999)).empty());
  }
  return 0;
}
