// The frames between a client and a relay: one a WebSocket binary message, `[type][fields]`, integers
// big-endian (docs/protocol.md). What a client may send and what a relay may send are two variants, so that
// neither can be mistaken for the other. Payloads are views into the parsed bytes: use them before those
// change. Pure values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"

namespace p2pd::proto {

inline constexpr std::uint8_t kRelayVersion = 1;
inline constexpr std::string_view kRelayPath = "/p2pd/v1";
inline constexpr std::string_view kRelaySubprotocol = "p2pd.relay.1";
// TLS exporter (RFC 5705, RFC 8446 7.5) whose 32 bytes bind a hello to the TLS session; empty context.
inline constexpr std::string_view kRelayExporterLabel = "EXPORTER-p2pd-relay";

inline constexpr std::size_t kRelayMaxFrame = 65'536;
inline constexpr std::size_t kRelayMaxFrameUnauthenticated = 4'096;
inline constexpr std::size_t kRelayMaxPayload = 16'384;  // what a relay offers unless configured lower
inline constexpr std::size_t kRelayHeaderSize = 33;      // type and peer ID in front of a payload
inline constexpr std::size_t kRelayMaxKnock = 128;
inline constexpr std::size_t kRelayMaxToken = 1'024;
inline constexpr std::size_t kRelayMaxAuthority = 262;  // 253 of host name, brackets, colon, port
inline constexpr std::size_t kRelayMaxGoodbyeText = 512;
inline constexpr std::size_t kRelayMaxInterest = 2'047;  // what fits one frame

using RelayNonce = std::array<std::uint8_t, 32>;
using RelayExporter = std::array<std::uint8_t, 32>;
using RelaySignature = std::array<std::uint8_t, 64>;

enum class RelayBinding : std::uint8_t { none = 0, tls_exporter = 1 };
enum class RelayInterestOp : std::uint8_t { replace = 0, add = 1, remove = 2 };
enum class RelayPresenceState : std::uint8_t { gone = 0, here = 1, unavailable = 2 };
enum class RelayGoodbyeCode : std::uint8_t {
  draining = 1,
  superseded = 2,  // a newer session of the same key
  protocol_error = 3,
  authentication_failed = 4,
  too_slow = 5,
  limit = 6,
  not_permitted = 7,
};
[[nodiscard]] std::string_view to_string(RelayGoodbyeCode code);

struct RelayChallenge {  // 0x01, relay to client, first of all
  std::uint8_t version = kRelayVersion;
  base::PeerId relay;
  RelayNonce nonce{};
  bool operator==(const RelayChallenge&) const = default;
};
struct RelayHello {  // 0x02, client to relay
  std::uint8_t version = kRelayVersion;
  base::PeerId client;
  RelayNonce nonce{};
  RelayBinding binding = RelayBinding::none;
  std::string token;  // a secret: never logged
  RelaySignature signature{};
  bool operator==(const RelayHello&) const = default;
};
struct RelayWelcome {  // 0x03, relay to client
  std::uint8_t version = kRelayVersion;
  std::uint32_t max_payload = kRelayMaxPayload;
  std::uint32_t ping_interval_ms = 0;
  std::uint16_t max_interest = 0;
  RelaySignature signature{};
  bool operator==(const RelayWelcome&) const = default;
};
struct RelaySend {  // 0x10, client to relay
  base::PeerId to;
  base::ByteView payload;  // 1 byte or more
};
struct RelayReceived {  // 0x11, relay to client
  base::PeerId from;    // stamped by the relay
  base::ByteView payload;
};
struct RelayInterest {  // 0x12, client to relay
  RelayInterestOp op = RelayInterestOp::replace;
  std::vector<base::PeerId> peers;
  bool operator==(const RelayInterest&) const = default;
};
struct RelayPresence {  // 0x13, relay to client
  base::PeerId peer;
  RelayPresenceState state = RelayPresenceState::gone;
  bool operator==(const RelayPresence&) const = default;
};
struct RelayKnock {  // 0x14, client to relay
  base::PeerId to;
  base::ByteView payload;  // 1 to kRelayMaxKnock bytes
};
struct RelayKnocked {  // 0x15, relay to client
  base::PeerId from;
  base::ByteView payload;
};
struct RelayPing {  // 0x16, either way
  std::array<std::uint8_t, 8> opaque{};
  bool operator==(const RelayPing&) const = default;
};
struct RelayPong {  // 0x17, either way: the ping's bytes
  std::array<std::uint8_t, 8> opaque{};
  bool operator==(const RelayPong&) const = default;
};
struct RelayLimits {  // 0x18, relay to client, for information
  std::uint32_t packets_per_second = 0;
  std::uint32_t bytes_per_second = 0;
  bool operator==(const RelayLimits&) const = default;
};
struct RelayGoodbye {  // 0x1f, relay to client, last of all
  RelayGoodbyeCode code = RelayGoodbyeCode::draining;
  std::string text;  // foreign: escape it before showing it
  bool operator==(const RelayGoodbye&) const = default;
};

using ClientFrame = std::variant<RelayHello, RelaySend, RelayInterest, RelayKnock, RelayPing, RelayPong>;
using RelayFrame = std::variant<RelayChallenge, RelayWelcome, RelayReceived, RelayPresence, RelayKnocked,
                                RelayPing, RelayPong, RelayLimits, RelayGoodbye>;

// What a relay reads from its clients, and what a client reads from its relay. `unknown_type`: a client
// ignores such a frame, a relay says goodbye.
[[nodiscard]] base::Result<ClientFrame> parse_client_frame(base::ByteView frame);
[[nodiscard]] base::Result<RelayFrame> parse_relay_frame(base::ByteView frame);

// Texts, tokens, payloads and lists over their limits are the caller's bug and assert; a goodbye's text is
// cut.
[[nodiscard]] base::Bytes encode(const RelayChallenge& frame);
[[nodiscard]] base::Bytes encode(const RelayHello& frame);
[[nodiscard]] base::Bytes encode(const RelayWelcome& frame);
[[nodiscard]] base::Bytes encode(const RelaySend& frame);
[[nodiscard]] base::Bytes encode(const RelayReceived& frame);
[[nodiscard]] base::Bytes encode(const RelayInterest& frame);
[[nodiscard]] base::Bytes encode(const RelayPresence& frame);
[[nodiscard]] base::Bytes encode(const RelayKnock& frame);
[[nodiscard]] base::Bytes encode(const RelayKnocked& frame);
[[nodiscard]] base::Bytes encode(const RelayPing& frame);
[[nodiscard]] base::Bytes encode(const RelayPong& frame);
[[nodiscard]] base::Bytes encode(const RelayLimits& frame);
[[nodiscard]] base::Bytes encode(const RelayGoodbye& frame);

// `send` and `received` have one layout: the relay's fast path rewrites a parsed RelaySend frame in place.
void restamp_as_received(std::span<std::uint8_t> send_frame, const base::PeerId& sender);

// What a hello's signature covers. `authority` is "host:port" of the client's URL: lower-case host, port
// always written. `exporter`: zeros when hello.binding is none.
[[nodiscard]] base::Bytes signed_bytes(const RelayHello& hello, const RelayChallenge& challenge,
                                       std::string_view authority, const RelayExporter& exporter);
// What a welcome's signature covers: it proves the relay's key to the client.
[[nodiscard]] base::Bytes signed_bytes(const RelayWelcome& welcome, const RelayChallenge& challenge,
                                       const RelayHello& hello);

}  // namespace p2pd::proto
