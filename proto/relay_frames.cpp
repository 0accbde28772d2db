#include "proto/relay_frames.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class RelayType : std::uint8_t {
  challenge = 0x01,
  hello = 0x02,
  welcome = 0x03,
  send = 0x10,
  received = 0x11,
  interest = 0x12,
  presence = 0x13,
  knock = 0x14,
  knocked = 0x15,
  ping = 0x16,
  pong = 0x17,
  limits = 0x18,
  goodbye = 0x1f,
};

// Domain separation: no other signature of a p2pd key begins like this, the NUL included.
constexpr std::string_view kHelloDomain{"p2pd relay hello v1\0", 20};
constexpr std::string_view kWelcomeDomain{"p2pd relay welcome v1\0", 22};

base::PeerId read_id(base::ByteReader& reader) { return base::PeerId(reader.array<base::PeerId::kSize>()); }

base::ByteWriter begin(RelayType type) {
  base::ByteWriter out;
  out.u8(static_cast<std::uint8_t>(type));
  return out;
}

base::Bytes addressed(RelayType type, const base::PeerId& peer, base::ByteView payload, std::size_t limit) {
  P2PD_ASSERT(!payload.empty() && payload.size() <= limit);
  base::Bytes out;
  out.reserve(kRelayHeaderSize + payload.size());
  out.push_back(static_cast<std::uint8_t>(type));
  out.insert(out.end(), peer.bytes().begin(), peer.bytes().end());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

// A version other than ours has a layout that is not known here, so nothing after it is looked at.
bool is_other_version(std::uint8_t version) { return version != kRelayVersion; }

template <class Frame>
base::Result<Frame> bad_value(std::string about) {
  return frame_error(FrameError::bad_value, std::move(about));
}

// [type][peer][payload] of 1 to `limit` bytes.
template <class Frame, class Addressed>
base::Result<Frame> parse_addressed(base::ByteReader& reader, std::string_view about, std::size_t limit) {
  const base::PeerId peer = read_id(reader);
  const base::ByteView payload = reader.rest();
  if (reader.failed() || payload.empty()) return frame_error(FrameError::truncated, std::string(about));
  if (payload.size() > limit) return frame_error(FrameError::too_large, std::string(about));
  return Frame(Addressed{peer, payload});
}

template <class Frame, class Echo>
base::Result<Frame> parse_echo(base::ByteReader& reader, std::string_view about) {
  return exact<Frame>(reader, about, Echo{reader.array<8>()});
}

base::Result<ClientFrame> parse_hello(base::ByteReader& reader) {
  RelayHello hello;
  hello.version = reader.u8();
  if (!reader.failed() && is_other_version(hello.version)) {
    return frame_error(FrameError::version, "relay hello");
  }
  hello.client = read_id(reader);
  hello.nonce = reader.array<32>();
  hello.binding = static_cast<RelayBinding>(reader.u8());
  hello.token = reader.text16();
  hello.signature = reader.array<64>();
  if (hello.binding > RelayBinding::tls_exporter) return bad_value<ClientFrame>("relay hello: binding");
  if (hello.token.size() > kRelayMaxToken) {
    return frame_error(FrameError::too_large, "relay hello: token");
  }
  return exact<ClientFrame>(reader, "relay hello", std::move(hello));
}

base::Result<ClientFrame> parse_interest(base::ByteReader& reader) {
  RelayInterest interest;
  interest.op = static_cast<RelayInterestOp>(reader.u8());
  if (interest.op > RelayInterestOp::remove) return bad_value<ClientFrame>("relay interest: operation");
  if (reader.remaining() % base::PeerId::kSize != 0) {
    return frame_error(FrameError::truncated, "relay interest");
  }
  const std::size_t count = reader.remaining() / base::PeerId::kSize;
  if (count > kRelayMaxInterest) return frame_error(FrameError::too_large, "relay interest");
  interest.peers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) interest.peers.push_back(read_id(reader));
  return exact<ClientFrame>(reader, "relay interest", std::move(interest));
}

base::Result<RelayFrame> parse_challenge(base::ByteReader& reader) {
  RelayChallenge challenge;
  challenge.version = reader.u8();
  if (!reader.failed() && is_other_version(challenge.version)) {
    return frame_error(FrameError::version, "relay challenge");
  }
  challenge.relay = read_id(reader);
  challenge.nonce = reader.array<32>();
  return exact<RelayFrame>(reader, "relay challenge", challenge);
}

base::Result<RelayFrame> parse_welcome(base::ByteReader& reader) {
  RelayWelcome welcome;
  welcome.version = reader.u8();
  if (!reader.failed() && is_other_version(welcome.version)) {
    return frame_error(FrameError::version, "relay welcome");
  }
  welcome.max_payload = reader.u32();
  welcome.ping_interval_ms = reader.u32();
  welcome.max_interest = reader.u16();
  welcome.signature = reader.array<64>();
  auto out = exact<RelayFrame>(reader, "relay welcome", welcome);
  if (out && (welcome.max_payload == 0 || welcome.max_payload > kRelayMaxFrame - kRelayHeaderSize)) {
    return bad_value<RelayFrame>("relay welcome: largest payload");
  }
  return out;
}

base::Result<RelayFrame> parse_presence(base::ByteReader& reader) {
  RelayPresence presence;
  presence.peer = read_id(reader);
  presence.state = static_cast<RelayPresenceState>(reader.u8());
  if (presence.state > RelayPresenceState::unavailable) return bad_value<RelayFrame>("relay presence: state");
  return exact<RelayFrame>(reader, "relay presence", presence);
}

base::Result<RelayFrame> parse_limits(base::ByteReader& reader) {
  RelayLimits limits;
  limits.packets_per_second = reader.u32();
  limits.bytes_per_second = reader.u32();
  return exact<RelayFrame>(reader, "relay limits", limits);
}

base::Result<RelayFrame> parse_goodbye(base::ByteReader& reader) {
  RelayGoodbye goodbye;
  const std::uint8_t code = reader.u8();
  goodbye.code = static_cast<RelayGoodbyeCode>(code);
  goodbye.text = reader.text16();
  if (reader.failed()) return frame_error(FrameError::truncated, "relay goodbye");
  if (code == 0 || goodbye.code > RelayGoodbyeCode::not_permitted) {
    return bad_value<RelayFrame>("relay goodbye: code");
  }
  if (goodbye.text.size() > kRelayMaxGoodbyeText) return frame_error(FrameError::too_large, "relay goodbye");
  return exact<RelayFrame>(reader, "relay goodbye", std::move(goodbye));
}

base::ByteWriter welcome_parameters(base::ByteWriter out, const RelayWelcome& welcome) {
  out.u8(welcome.version).u32(welcome.max_payload).u32(welcome.ping_interval_ms).u16(welcome.max_interest);
  return out;
}

constexpr std::size_t kMaxAddressed = kRelayMaxFrame - kRelayHeaderSize;

}  // namespace

std::string_view to_string(RelayGoodbyeCode code) {
  switch (code) {
    case RelayGoodbyeCode::draining:
      return "the relay is shutting down";
    case RelayGoodbyeCode::superseded:
      return "another session with the same key took over";
    case RelayGoodbyeCode::protocol_error:
      return "the relay did not understand this client";
    case RelayGoodbyeCode::authentication_failed:
      return "authentication failed";
    case RelayGoodbyeCode::too_slow:
      return "this client read too slowly";
    case RelayGoodbyeCode::limit:
      return "a limit of the relay is reached";
    case RelayGoodbyeCode::not_permitted:
      return "the relay does not admit this peer";
  }
  return "unknown";
}

base::Result<ClientFrame> parse_client_frame(base::ByteView frame) {
  if (frame.size() > kRelayMaxFrame) return frame_error(FrameError::too_large, "relay frame");
  if (frame.empty()) return frame_error(FrameError::truncated, "relay frame");
  base::ByteReader reader(frame);
  switch (static_cast<RelayType>(reader.u8())) {
    case RelayType::hello:
      return parse_hello(reader);
    case RelayType::send:
      return parse_addressed<ClientFrame, RelaySend>(reader, "relay send", kMaxAddressed);
    case RelayType::interest:
      return parse_interest(reader);
    case RelayType::knock:
      return parse_addressed<ClientFrame, RelayKnock>(reader, "relay knock", kRelayMaxKnock);
    case RelayType::ping:
      return parse_echo<ClientFrame, RelayPing>(reader, "relay ping");
    case RelayType::pong:
      return parse_echo<ClientFrame, RelayPong>(reader, "relay pong");
    default:
      return frame_error(FrameError::unknown_type, "relay frame");
  }
}

base::Result<RelayFrame> parse_relay_frame(base::ByteView frame) {
  if (frame.size() > kRelayMaxFrame) return frame_error(FrameError::too_large, "relay frame");
  if (frame.empty()) return frame_error(FrameError::truncated, "relay frame");
  base::ByteReader reader(frame);
  switch (static_cast<RelayType>(reader.u8())) {
    case RelayType::challenge:
      return parse_challenge(reader);
    case RelayType::welcome:
      return parse_welcome(reader);
    case RelayType::received:
      return parse_addressed<RelayFrame, RelayReceived>(reader, "relay received", kMaxAddressed);
    case RelayType::presence:
      return parse_presence(reader);
    case RelayType::knocked:
      return parse_addressed<RelayFrame, RelayKnocked>(reader, "relay knocked", kRelayMaxKnock);
    case RelayType::ping:
      return parse_echo<RelayFrame, RelayPing>(reader, "relay ping");
    case RelayType::pong:
      return parse_echo<RelayFrame, RelayPong>(reader, "relay pong");
    case RelayType::limits:
      return parse_limits(reader);
    case RelayType::goodbye:
      return parse_goodbye(reader);
    default:
      return frame_error(FrameError::unknown_type, "relay frame");
  }
}

base::Bytes encode(const RelayChallenge& frame) {
  return begin(RelayType::challenge).u8(frame.version).bytes(frame.relay.bytes()).bytes(frame.nonce).take();
}

base::Bytes encode(const RelayHello& frame) {
  P2PD_ASSERT(frame.token.size() <= kRelayMaxToken);
  return begin(RelayType::hello)
      .u8(frame.version)
      .bytes(frame.client.bytes())
      .bytes(frame.nonce)
      .u8(static_cast<std::uint8_t>(frame.binding))
      .text16(frame.token)
      .bytes(frame.signature)
      .take();
}

base::Bytes encode(const RelayWelcome& frame) {
  return welcome_parameters(begin(RelayType::welcome), frame).bytes(frame.signature).take();
}

base::Bytes encode(const RelaySend& frame) {
  return addressed(RelayType::send, frame.to, frame.payload, kMaxAddressed);
}

base::Bytes encode(const RelayReceived& frame) {
  return addressed(RelayType::received, frame.from, frame.payload, kMaxAddressed);
}

base::Bytes encode(const RelayInterest& frame) {
  P2PD_ASSERT(frame.peers.size() <= kRelayMaxInterest);
  base::ByteWriter out = begin(RelayType::interest);
  out.u8(static_cast<std::uint8_t>(frame.op));
  for (const base::PeerId& peer : frame.peers) out.bytes(peer.bytes());
  return out.take();
}

base::Bytes encode(const RelayPresence& frame) {
  return begin(RelayType::presence)
      .bytes(frame.peer.bytes())
      .u8(static_cast<std::uint8_t>(frame.state))
      .take();
}

base::Bytes encode(const RelayKnock& frame) {
  return addressed(RelayType::knock, frame.to, frame.payload, kRelayMaxKnock);
}

base::Bytes encode(const RelayKnocked& frame) {
  return addressed(RelayType::knocked, frame.from, frame.payload, kRelayMaxKnock);
}

base::Bytes encode(const RelayPing& frame) { return begin(RelayType::ping).bytes(frame.opaque).take(); }

base::Bytes encode(const RelayPong& frame) { return begin(RelayType::pong).bytes(frame.opaque).take(); }

base::Bytes encode(const RelayLimits& frame) {
  return begin(RelayType::limits).u32(frame.packets_per_second).u32(frame.bytes_per_second).take();
}

base::Bytes encode(const RelayGoodbye& frame) {
  return begin(RelayType::goodbye)
      .u8(static_cast<std::uint8_t>(frame.code))
      .text16(std::string_view(frame.text).substr(0, kRelayMaxGoodbyeText))
      .take();
}

void restamp_as_received(std::span<std::uint8_t> send_frame, const base::PeerId& sender) {
  P2PD_ASSERT(send_frame.size() > kRelayHeaderSize &&
              send_frame[0] == static_cast<std::uint8_t>(RelayType::send));
  send_frame[0] = static_cast<std::uint8_t>(RelayType::received);
  std::copy(sender.bytes().begin(), sender.bytes().end(), send_frame.begin() + 1);
}

base::Bytes signed_bytes(const RelayHello& hello, const RelayChallenge& challenge, std::string_view authority,
                         const RelayExporter& exporter) {
  P2PD_ASSERT(authority.size() <= 0xffff);
  return base::ByteWriter()
      .bytes(base::as_bytes(kHelloDomain))
      .u8(hello.version)
      .bytes(challenge.nonce)
      .bytes(challenge.relay.bytes())
      .bytes(hello.client.bytes())
      .bytes(hello.nonce)
      .text16(authority)
      .u8(static_cast<std::uint8_t>(hello.binding))
      .bytes(exporter)
      .text16(hello.token)
      .take();
}

base::Bytes signed_bytes(const RelayWelcome& welcome, const RelayChallenge& challenge,
                         const RelayHello& hello) {
  base::ByteWriter out;
  out.bytes(base::as_bytes(kWelcomeDomain))
      .bytes(challenge.nonce)
      .bytes(hello.nonce)
      .bytes(challenge.relay.bytes())
      .bytes(hello.client.bytes());
  return welcome_parameters(std::move(out), welcome).take();
}

}  // namespace p2pd::proto
