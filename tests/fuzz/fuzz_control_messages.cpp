#include <cstddef>
#include <cstdint>

#include "proto/control_messages.hpp"
#include "tests/fuzz/property.hpp"

using namespace p2pd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  const auto body = [](const proto::ControlMessage& message) {
    const base::Bytes frame = proto::encode(message);
    return base::Bytes(frame.begin() + 2, frame.end());
  };
  fuzz::check_one_spelling(input, proto::parse_control_message, body);
  fuzz::check_pieces_do_not_matter<proto::ControlDeframer>(input);
  return 0;
}
