#include <cstddef>
#include <cstdint>
#include <variant>

#include "proto/relay_frames.hpp"
#include "tests/fuzz/property.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const p2pd::base::ByteView input(data, size);
  const auto encode_any = [](const auto& frame) {
    return std::visit([](const auto& one) { return p2pd::proto::encode(one); }, frame);
  };
  p2pd::fuzz::check_one_spelling(input, p2pd::proto::parse_client_frame, encode_any);
  p2pd::fuzz::check_one_spelling(input, p2pd::proto::parse_relay_frame, encode_any);
  return 0;
}
