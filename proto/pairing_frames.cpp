#include "proto/pairing_frames.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "proto/control_messages.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class PairingType : std::uint8_t { ask = 1, paired = 2, refused = 3 };

constexpr std::string_view kKnockDomain = "p2pd knock v1";

bool is_url(std::string_view url) {
  return !url.empty() && url.size() <= kMaxRelayHintSize &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_refusal(std::uint8_t value) {
  return value >= static_cast<std::uint8_t>(PairingRefusal::used) &&
         value <= static_cast<std::uint8_t>(PairingRefusal::no_room);
}

void write_relays(base::ByteWriter& out, const std::vector<std::string>& relays) {
  P2PD_ASSERT(relays.size() <= kMaxPairingRelays && std::all_of(relays.begin(), relays.end(), is_url));
  out.u8(static_cast<std::uint8_t>(relays.size()));
  for (const std::string& url : relays) out.text16(url);
}

base::Result<std::vector<std::string>> read_relays(base::ByteReader& reader) {
  std::vector<std::string> out;
  const std::size_t count = reader.u8();
  if (count > kMaxPairingRelays) return frame_error(FrameError::too_large, "pairing: relays");
  for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
    out.emplace_back(reader.text16());
    if (!reader.failed() && !is_url(out.back())) return frame_error(FrameError::bad_value, "pairing: relay");
  }
  return out;
}

base::Result<PairingFrame> parse_ask(base::ByteReader& reader) {
  const std::uint8_t version = reader.u8();
  if (!reader.failed() && version != kPairingVersion) return frame_error(FrameError::version, "pairing");
  auto relays = read_relays(reader);
  if (!relays) return relays.error();
  return exact<PairingFrame>(reader, "pairing: ask", PairingAsk{std::move(*relays)});
}

base::Result<PairingFrame> parse_paired(base::ByteReader& reader) {
  auto relays = read_relays(reader);
  if (!relays) return relays.error();
  return exact<PairingFrame>(reader, "pairing: paired", PairingPaired{std::move(*relays)});
}

base::Result<PairingFrame> parse_refused(base::ByteReader& reader) {
  const std::uint8_t reason = reader.u8();
  if (!reader.failed() && !is_refusal(reason))
    return frame_error(FrameError::bad_value, "pairing: reason of a refusal");
  return exact<PairingFrame>(reader, "pairing: refused", PairingRefused{static_cast<PairingRefusal>(reason)});
}

}  // namespace

base::Bytes encode(const Knock& knock) {
  return base::ByteWriter()
      .u8(kKnockVersion)
      .bytes(knock.invitation)
      .bytes(knock.connection)
      .bytes(knock.mac)
      .take();
}

base::Result<Knock> parse_knock(base::ByteView payload) {
  base::ByteReader reader(payload);
  const std::uint8_t version = reader.u8();
  if (!reader.failed() && version != kKnockVersion) return frame_error(FrameError::version, "knock");
  Knock knock;
  knock.invitation = reader.array<8>();
  knock.connection = reader.array<8>();
  knock.mac = reader.array<32>();
  return exact<Knock>(reader, "knock", knock);
}

base::Bytes knock_text(const Knock& knock, const base::PeerId& inviter, const base::PeerId& joiner,
                       const base::PeerId& relay) {
  return base::ByteWriter()
      .bytes(base::as_bytes(kKnockDomain))
      .u8(0)
      .bytes(knock.invitation)
      .bytes(inviter.bytes())
      .bytes(joiner.bytes())
      .bytes(relay.bytes())
      .bytes(knock.connection)
      .take();
}

base::Bytes encode(const PairingFrame& frame) {
  base::ByteWriter body;
  if (const auto* ask = std::get_if<PairingAsk>(&frame)) {
    body.u8(static_cast<std::uint8_t>(PairingType::ask)).u8(kPairingVersion);
    write_relays(body, ask->relays);
  } else if (const auto* paired = std::get_if<PairingPaired>(&frame)) {
    body.u8(static_cast<std::uint8_t>(PairingType::paired));
    write_relays(body, paired->relays);
  } else {
    const PairingRefusal reason = std::get<PairingRefused>(frame).reason;
    body.u8(static_cast<std::uint8_t>(PairingType::refused)).u8(static_cast<std::uint8_t>(reason));
  }
  return base::ByteWriter().u16(static_cast<std::uint16_t>(body.size())).bytes(body.view()).take();
}

base::Result<PairingFrame> parse_pairing_frame(base::ByteView frame) {
  if (frame.size() > kMaxPairingFrame) return frame_error(FrameError::too_large, "pairing");
  if (frame.empty()) return frame_error(FrameError::truncated, "pairing");
  base::ByteReader reader(frame);
  switch (static_cast<PairingType>(reader.u8())) {
    case PairingType::ask:
      return parse_ask(reader);
    case PairingType::paired:
      return parse_paired(reader);
    case PairingType::refused:
      return parse_refused(reader);
  }
  return frame_error(FrameError::unknown_type, "pairing");
}

}  // namespace p2pd::proto
