#include <cstddef>
#include <cstdint>

#include "proto/message_frames.hpp"
#include "tests/fuzz/property.hpp"

using namespace p2pd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  const auto body = [](const proto::MessageFrame& frame) {
    const base::Bytes bytes = proto::encode(frame);
    return base::Bytes(bytes.begin() + 4, bytes.end());
  };
  fuzz::check_one_spelling(input, proto::parse_message_frame, body);
  fuzz::check_pieces_do_not_matter<proto::MessageDeframer>(input);
  return 0;
}
