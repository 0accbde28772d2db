#include <cstddef>
#include <cstdint>

#include "proto/link_frames.hpp"
#include "tests/fuzz/property.hpp"

namespace {

using namespace p2pd;

// Takes every MAC: the last 16 bytes are what the "function" says, so that the fuzzer gets behind it.
void check_open(base::ByteView frame) {
  const auto agreeing = [&](base::ByteView) {
    std::array<std::uint8_t, proto::kLinkMacSize> mac;
    const base::ByteView tail = frame.last(mac.size());
    std::copy(tail.begin(), tail.end(), mac.begin());
    return mac;
  };
  proto::ReplayWindow window;
  const auto opened = proto::open_link_frame(frame, agreeing, window);
  if (!opened) return;
  P2PD_ASSERT(std::ranges::equal(proto::seal_link_frame(*opened, agreeing), frame));
  const auto again = proto::open_link_frame(frame, agreeing, window);
  P2PD_ASSERT(again.has_error() && again.error().code == proto::FrameError::replayed);
}

void check_window(base::ByteView counters) {
  proto::ReplayWindow window;
  base::ByteReader reader(counters);
  while (reader.remaining() >= 9) {
    // Small steps and any jump.
    const std::uint8_t shift = reader.u8();
    const std::uint64_t counter = reader.u64() >> (shift % 64);
    (void)window.accept(counter);
    P2PD_ASSERT(!window.accept(counter));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::ByteView input(data, size);
  fuzz::check_one_spelling(input, proto::parse_link_frame_layout, proto::link_frame_layout);
  check_open(input);
  check_window(input);
  return 0;
}
