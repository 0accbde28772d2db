#include "proto/link_frames.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

constexpr std::uint8_t kLinkBits = 0x80;
enum class LinkType : std::uint8_t { probe = 1, answer = 2, switched = 3 };

constexpr std::string_view kLinkFrame = "Link frame";

std::uint8_t first_byte(LinkType type) {
  return static_cast<std::uint8_t>(kLinkBits | static_cast<int>(type));
}

bool is_path(LinkPath path) { return path <= LinkPath::relay; }

base::Result<LinkFrame> bad_value() { return frame_error(FrameError::bad_value, std::string(kLinkFrame)); }

base::Result<LinkFrame> parse_probe(base::ByteReader& reader, LinkFrame frame, std::size_t frame_size) {
  LinkProbe probe;
  probe.size = reader.u16();
  probe.path = static_cast<LinkPath>(reader.u8());
  const base::ByteView padding = reader.rest();
  if (reader.failed()) return frame_error(FrameError::truncated, std::string(kLinkFrame));
  if (probe.size != frame_size || !is_path(probe.path) ||
      std::any_of(padding.begin(), padding.end(), [](std::uint8_t byte) { return byte != 0; })) {
    return bad_value();
  }
  frame.body = probe;
  return frame;
}

base::Result<LinkFrame> parse_answer(base::ByteReader& reader, LinkFrame frame) {
  LinkAnswer answer;
  answer.size_seen = reader.u16();
  answer.path = static_cast<LinkPath>(reader.u8());
  if (!is_path(answer.path)) return bad_value();
  frame.body = answer;
  return exact<LinkFrame>(reader, kLinkFrame, std::move(frame));
}

base::Result<LinkFrame> parse_switched(base::ByteReader& reader, LinkFrame frame) {
  LinkSwitched switched;
  switched.path = static_cast<LinkPath>(reader.u8());
  switched.number = reader.u64();
  if (!is_path(switched.path)) return bad_value();
  frame.body = switched;
  return exact<LinkFrame>(reader, kLinkFrame, std::move(frame));
}

}  // namespace

bool ReplayWindow::accept(std::uint64_t counter) {
  if (!any_ || counter > highest_) {
    const std::uint64_t advance = any_ ? counter - highest_ : kReplayWindow;
    if (advance >= kReplayWindow) {
      seen_.reset();
    } else {
      for (std::uint64_t i = 1; i < advance; ++i) seen_.reset((highest_ + i) % kReplayWindow);
    }
    highest_ = counter;
    any_ = true;
  } else if (highest_ - counter >= kReplayWindow || seen_.test(counter % kReplayWindow)) {
    return false;
  }
  seen_.set(counter % kReplayWindow);
  return true;
}

base::Bytes link_frame_layout(const LinkFrame& frame) {
  base::ByteWriter out;
  const auto header = [&](LinkType type) -> base::ByteWriter& {
    return out.u8(first_byte(type)).u64(frame.counter).bytes(frame.nonce);
  };
  if (const auto* probe = std::get_if<LinkProbe>(&frame.body)) {
    P2PD_ASSERT(probe->size >= kMinLinkFrame && probe->size <= kMaxLinkFrame);
    header(LinkType::probe).u16(probe->size).u8(static_cast<std::uint8_t>(probe->path));
    base::Bytes padded = out.take();
    padded.resize(probe->size - kLinkMacSize, 0);
    return padded;
  }
  if (const auto* answer = std::get_if<LinkAnswer>(&frame.body)) {
    header(LinkType::answer).u16(answer->size_seen).u8(static_cast<std::uint8_t>(answer->path));
  } else {
    const auto& switched = std::get<LinkSwitched>(frame.body);
    header(LinkType::switched).u8(static_cast<std::uint8_t>(switched.path)).u64(switched.number);
  }
  return out.take();
}

base::Result<LinkFrame> parse_link_frame_layout(base::ByteView without_mac) {
  if (without_mac.size() > kMaxLinkFrame - kLinkMacSize) {
    return frame_error(FrameError::too_large, std::string(kLinkFrame));
  }
  base::ByteReader reader(without_mac);
  const std::uint8_t first = reader.u8();
  LinkFrame frame;
  frame.counter = reader.u64();
  frame.nonce = reader.array<8>();
  if (reader.failed()) return frame_error(FrameError::truncated, std::string(kLinkFrame));
  if (first == first_byte(LinkType::probe)) {
    return parse_probe(reader, std::move(frame), without_mac.size() + kLinkMacSize);
  }
  if (first == first_byte(LinkType::answer)) return parse_answer(reader, std::move(frame));
  if (first == first_byte(LinkType::switched)) return parse_switched(reader, std::move(frame));
  return frame_error(FrameError::unknown_type, std::string(kLinkFrame));
}

}  // namespace p2pd::proto
