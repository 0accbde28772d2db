// STUN messages (RFC 8489) as far as Binding goes, with the attributes of NAT behaviour discovery (RFC 5780):
// what p2p-relay answers and what the daemon's network check asks. Pure values and functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

using StunTransaction = std::array<std::uint8_t, 12>;

enum class StunClass : std::uint8_t { request = 0, indication = 1, success = 2, error = 3 };

inline constexpr std::uint16_t kStunBinding = 1;
// RFC 8489 14.8: an attribute below this that is not known makes a request fail.
inline constexpr std::uint16_t kStunOptional = 0x8000;
inline constexpr std::uint16_t kStunBadRequest = 400;  // error codes
inline constexpr std::uint16_t kStunUnknownAttribute = 420;
inline constexpr std::uint16_t kStunChangeRequest = 0x0003;  // an attribute

struct StunMessage {
  StunClass kind = StunClass::request;
  std::uint16_t method = kStunBinding;
  StunTransaction transaction{};
  // RFC 3489 knows no magic cookie: its transaction ID is these four bytes and the twelve above. An answer
  // with it has MAPPED-ADDRESS in place of XOR-MAPPED-ADDRESS (RFC 5389 12.2). libnice gathers with such
  // requests.
  std::optional<std::uint32_t> classic_id;
  std::optional<proto::Endpoint> mapped;           // XOR-MAPPED-ADDRESS; read from MAPPED-ADDRESS too
  std::optional<proto::Endpoint> response_origin;  // RFC 5780 7.3
  std::optional<proto::Endpoint> other_address;    // RFC 5780 7.4
  bool change_address = false;                     // CHANGE-REQUEST, RFC 5780 7.2
  bool change_port = false;
  std::optional<std::uint16_t> response_port;  // RFC 5780 7.5: the answer goes to this port instead
  std::uint16_t error_code = 0;                // 300 to 699, of an error response
  std::vector<std::uint16_t>
      unknown;               // read: required attributes not known here; written: UNKNOWN-ATTRIBUTES
  bool fingerprint = false;  // read: present, and right; written: append one

  bool operator==(const StunMessage&) const = default;
};

// Whether a message without the magic cookie, which anything could be, is taken for RFC 3489's STUN.
enum class StunDialect : std::uint8_t { modern, classic_too };

// Errors (proto::FrameError): not STUN, cut short, an attribute past the end or with a bad value, a
// FINGERPRINT that does not match.
[[nodiscard]] base::Result<StunMessage> parse_stun(base::ByteView datagram,
                                                   StunDialect dialect = StunDialect::modern);
[[nodiscard]] base::Bytes encode(const StunMessage& message);

}  // namespace p2pd::net
