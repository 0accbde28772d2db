// Link frames: the authenticated datagrams outside QUIC by which two ends try and switch paths.
//   [0x80 | type] [counter u64] [nonce 8] [body] [zero padding, probes only] [MAC 16]
// The MAC is the first half of HMAC-SHA256 over everything before it, keyed for the sender's direction;
// proto/ has no cryptography, so the caller brings the function. Each direction has one counter for all types
// and paths, and its receiver one ReplayWindow. Pure values, one thread at a time.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/error.hpp"

namespace p2pd::proto {

// TLS exporter label; 64 bytes: the client's sending key, then the server's.
inline constexpr std::string_view kLinkExporterLabel = "EXPORTER-p2pd-link";
inline constexpr std::size_t kLinkKeySize = 32;
inline constexpr std::size_t kLinkMacSize = 16;
inline constexpr std::size_t kMinLinkFrame = 36;  // a probe without padding, an answer
inline constexpr std::size_t kMaxLinkFrame = 16'000;
inline constexpr std::uint64_t kReplayWindow = 1'024;

// The numbers of peer::PathKind.
enum class LinkPath : std::uint8_t { direct = 0, turn = 1, relay = 2 };
using LinkNonce = std::array<std::uint8_t, 8>;

struct LinkProbe {                     // type 1
  std::uint16_t size = kMinLinkFrame;  // of the whole frame: sealing pads up to it, opening compares
  LinkPath path = LinkPath::relay;     // that the probe is sent on
  bool operator==(const LinkProbe&) const = default;
};
struct LinkAnswer {                 // type 2, on the path the probe came by, with the probe's nonce
  std::uint16_t size_seen = 0;      // bytes of the probe as it arrived
  LinkPath path = LinkPath::relay;  // the probe's own word
  bool operator==(const LinkAnswer&) const = default;
};
struct LinkSwitched {               // type 3
  LinkPath path = LinkPath::relay;  // that the sender sends on from now
  std::uint64_t number = 0;         // of this switch, growing
  bool operator==(const LinkSwitched&) const = default;
};

struct LinkFrame {
  std::uint64_t counter = 0;
  LinkNonce nonce{};
  std::variant<LinkProbe, LinkAnswer, LinkSwitched> body;
  bool operator==(const LinkFrame&) const = default;
};

// The counters of one direction that were seen among the newest 1,024; older ones count as seen. RFC 6479
// idea.
class ReplayWindow {
 public:
  // False: seen before or too old. True: new, and marked as seen.
  [[nodiscard]] bool accept(std::uint64_t counter);

 private:
  std::bitset<kReplayWindow> seen_;  // by counter modulo the window
  std::uint64_t highest_ = 0;
  bool any_ = false;
};

// Layout without cryptography; seal and open are what a caller uses. The padding of a probe is in the first,
// the MAC in neither. A probe's size must be kMinLinkFrame to kMaxLinkFrame (asserted).
[[nodiscard]] base::Bytes link_frame_layout(const LinkFrame& frame);
[[nodiscard]] base::Result<LinkFrame> parse_link_frame_layout(base::ByteView without_mac);

// `mac`: bytes to an array of at least 16 bytes, of which the first 16 are used (net::hmac_sha256 bound to
// the sender's key).
template <class Mac>
[[nodiscard]] base::Bytes seal_link_frame(const LinkFrame& frame, Mac&& mac) {
  base::Bytes out = link_frame_layout(frame);
  const auto tag = mac(base::ByteView(out));
  static_assert(tag.size() >= kLinkMacSize);
  out.insert(out.end(), tag.begin(), tag.begin() + kLinkMacSize);
  return out;
}

// Errors: truncated, too_large, forged, then of the layout, then replayed. Only an authentic and well-formed
// frame moves the window.
template <class Mac>
[[nodiscard]] base::Result<LinkFrame> open_link_frame(base::ByteView frame, Mac&& mac, ReplayWindow& window) {
  if (frame.size() < kMinLinkFrame) return frame_error(FrameError::truncated, "Link frame");
  if (frame.size() > kMaxLinkFrame) return frame_error(FrameError::too_large, "Link frame");
  const base::ByteView signed_part = frame.first(frame.size() - kLinkMacSize);
  const auto tag = mac(signed_part);
  static_assert(tag.size() >= kLinkMacSize);
  if (!base::equal_constant_time(base::ByteView(tag).first(kLinkMacSize), frame.last(kLinkMacSize))) {
    return frame_error(FrameError::forged, "Link frame");
  }
  base::Result<LinkFrame> parsed = parse_link_frame_layout(signed_part);
  if (parsed && !window.accept(parsed->counter)) {
    return frame_error(FrameError::replayed, "Link frame");
  }
  return parsed;
}

}  // namespace p2pd::proto
