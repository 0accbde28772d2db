#include "net/stun.hpp"

#include <algorithm>
#include <string_view>

#include "base/assert.hpp"
#include "proto/error.hpp"

namespace p2pd::net {
namespace {

using base::ByteReader;
using base::Bytes;
using base::ByteView;
using base::ByteWriter;
using proto::Endpoint;
using proto::frame_error;
using proto::FrameError;

constexpr std::uint32_t kCookie = 0x2112A442;
constexpr std::size_t kHeader = 20;
constexpr std::size_t kFingerprintSize = 8;  // with its attribute header
constexpr std::uint32_t kFingerprintXor = 0x5354554e;

// Attribute types.
constexpr std::uint16_t kMappedAddress = 0x0001;
constexpr std::uint16_t kUsername = 0x0006;
constexpr std::uint16_t kMessageIntegrity = 0x0008;
constexpr std::uint16_t kErrorCode = 0x0009;
constexpr std::uint16_t kUnknownAttributes = 0x000a;
constexpr std::uint16_t kRealm = 0x0014;
constexpr std::uint16_t kNonce = 0x0015;
constexpr std::uint16_t kMessageIntegritySha256 = 0x001c;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint16_t kResponsePort = 0x0027;
constexpr std::uint16_t kFingerprint = 0x8028;
constexpr std::uint16_t kResponseOrigin = 0x802b;
constexpr std::uint16_t kOtherAddress = 0x802c;

constexpr std::uint32_t kChangeAddressFlag = 0x4;
constexpr std::uint32_t kChangePortFlag = 0x2;

// RFC 8489 14.7: the CRC-32 of ITU V.42.
std::uint32_t crc32(ByteView bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

// RFC 8489 5: the class's two bits stand inside the method's twelve.
std::uint16_t message_type(StunClass kind, std::uint16_t method) {
  const auto c = static_cast<unsigned>(kind);
  const unsigned m = method;
  return static_cast<std::uint16_t>((m & 0x0f) | ((c & 1) << 4) | ((m & 0x70) << 1) | ((c & 2) << 7) |
                                    ((m & 0xf80) << 2));
}

StunClass class_of(std::uint16_t type) {
  return static_cast<StunClass>(((type >> 4) & 1) | ((type >> 7) & 2));
}

std::uint16_t method_of(std::uint16_t type) {
  return static_cast<std::uint16_t>((type & 0x0f) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80));
}

// RFC 8489 14.2: cookie and transaction ID, over which an address is XORed.
std::array<std::uint8_t, 16> xor_mask(const StunTransaction& transaction) {
  std::array<std::uint8_t, 16> mask{0x21, 0x12, 0xa4, 0x42};
  std::copy(transaction.begin(), transaction.end(), mask.begin() + 4);
  return mask;
}

bool read_address(ByteView value, const std::array<std::uint8_t, 16>* mask, Endpoint& out) {
  ByteReader reader(value);
  reader.u8();
  const std::uint8_t family = reader.u8();
  std::uint16_t port = reader.u16();
  if (family != 1 && family != 2) return false;
  out.v6 = family == 2;
  const std::size_t size = out.v6 ? 16 : 4;
  const ByteView address = reader.take(size);
  if (!reader.finished()) return false;
  if (mask != nullptr) port = static_cast<std::uint16_t>(port ^ (kCookie >> 16));
  out.port = port;
  for (std::size_t i = 0; i < size; ++i) {
    out.address[i] = static_cast<std::uint8_t>(address[i] ^ (mask == nullptr ? 0 : (*mask)[i]));
  }
  return true;
}

void write_address(ByteWriter& writer, std::uint16_t type, const Endpoint& endpoint,
                   const std::array<std::uint8_t, 16>* mask) {
  const std::size_t size = endpoint.v6 ? 16 : 4;
  writer.u16(type).u16(static_cast<std::uint16_t>(4 + size)).u8(0).u8(endpoint.v6 ? 2 : 1);
  writer.u16(static_cast<std::uint16_t>(endpoint.port ^ (mask == nullptr ? 0 : kCookie >> 16)));
  for (std::size_t i = 0; i < size; ++i) {
    writer.u8(static_cast<std::uint8_t>(endpoint.address[i] ^ (mask == nullptr ? 0 : (*mask)[i])));
  }
}

// The length field says how far the CRC's message goes, FINGERPRINT included (RFC 8489 14.7).
void set_length(Bytes& message, std::size_t length) {
  message[2] = static_cast<std::uint8_t>(length >> 8);
  message[3] = static_cast<std::uint8_t>(length);
}

std::string_view reason_of(std::uint16_t code) {
  switch (code) {
    case kStunBadRequest:
      return "Bad Request";
    case kStunUnknownAttribute:
      return "Unknown Attribute";
    default:
      return "Server Error";
  }
}

bool read_change_request(ByteView value, StunMessage& out) {
  ByteReader reader(value);
  const std::uint32_t flags = reader.u32();
  out.change_address = (flags & kChangeAddressFlag) != 0;
  out.change_port = (flags & kChangePortFlag) != 0;
  return reader.finished();
}

bool read_response_port(ByteView value, StunMessage& out) {
  ByteReader reader(value);
  out.response_port = reader.u16();
  reader.u16();
  return reader.finished();
}

bool read_error_code(ByteView value, StunMessage& out) {
  ByteReader reader(value);
  reader.u16();
  const unsigned hundreds = reader.u8() & 0x7u;
  const unsigned rest = reader.u8();
  out.error_code = static_cast<std::uint16_t>(hundreds * 100 + rest);
  return !reader.failed() && hundreds >= 3 && hundreds <= 6 && rest < 100;
}

// False: a bad value.
bool read_attribute(std::uint16_t type, ByteView value, StunMessage& out) {
  const auto mask = xor_mask(out.transaction);
  const auto address = [&](std::optional<Endpoint>& into, bool masked) {
    return read_address(value, masked ? &mask : nullptr, into.emplace());
  };
  switch (type) {
    case kXorMappedAddress:
      return address(out.mapped, true);
    case kMappedAddress: {
      // From RFC 3489 servers; the XORed form, which no NAT on the way has rewritten, wins.
      std::optional<Endpoint> plain;
      if (!address(plain, false)) return false;
      if (!out.mapped) out.mapped = plain;
      return true;
    }
    case kResponseOrigin:
      return address(out.response_origin, false);
    case kOtherAddress:
      return address(out.other_address, false);
    case kStunChangeRequest:
      return read_change_request(value, out);
    case kResponsePort:
      return read_response_port(value, out);
    case kErrorCode:
      return read_error_code(value, out);
    // Credentials: nothing here asks for any, so they change nothing.
    case kUsername:
    case kMessageIntegrity:
    case kMessageIntegritySha256:
    case kRealm:
    case kNonce:
    case kUnknownAttributes:
      return true;
    default:
      if (type < kStunOptional) out.unknown.push_back(type);
      return true;
  }
}

base::Result<> read_fingerprint(ByteView datagram, std::size_t at, ByteView value) {
  if (value.size() != 4 || at + kFingerprintSize != datagram.size()) {
    return frame_error(FrameError::bad_value, "STUN fingerprint");
  }
  const std::uint32_t stated = ByteReader(value).u32();
  if (stated != (crc32(datagram.first(at)) ^ kFingerprintXor)) {
    return frame_error(FrameError::forged, "STUN fingerprint");
  }
  return {};
}

}  // namespace

base::Result<StunMessage> parse_stun(ByteView datagram, StunDialect dialect) {
  ByteReader reader(datagram);
  const std::uint16_t type = reader.u16();
  const std::uint16_t length = reader.u16();
  const std::uint32_t cookie = reader.u32();
  StunMessage out;
  out.transaction = reader.array<12>();
  if (reader.failed()) return frame_error(FrameError::truncated, "STUN header");
  const bool classic = cookie != kCookie;
  if ((type & 0xc000) != 0 || length % 4 != 0 || (classic && dialect == StunDialect::modern)) {
    return frame_error(FrameError::bad_value, "STUN header");
  }
  if (classic) out.classic_id = cookie;
  if (length != reader.remaining()) return frame_error(FrameError::truncated, "STUN message");
  out.kind = class_of(type);
  out.method = method_of(type);
  while (reader.remaining() > 0) {
    const std::size_t at = datagram.size() - reader.remaining();
    const std::uint16_t attribute = reader.u16();
    const std::uint16_t size = reader.u16();
    const ByteView value = reader.take(size);
    reader.take((4u - size % 4u) % 4u);
    if (reader.failed()) return frame_error(FrameError::truncated, "STUN attribute");
    if (attribute == kFingerprint) {
      const auto checked = read_fingerprint(datagram, at, value);
      if (!checked) return checked.error();
      out.fingerprint = true;
    } else if (!read_attribute(attribute, value, out)) {
      return frame_error(FrameError::bad_value, "STUN attribute");
    }
  }
  return out;
}

Bytes encode(const StunMessage& message) {
  ByteWriter writer;
  writer.u16(message_type(message.kind, message.method)).u16(0);
  writer.u32(message.classic_id.value_or(kCookie)).bytes(message.transaction);
  if (message.change_address || message.change_port) {
    writer.u16(kStunChangeRequest).u16(4);
    writer.u32((message.change_address ? kChangeAddressFlag : 0) |
               (message.change_port ? kChangePortFlag : 0));
  }
  if (message.response_port) writer.u16(kResponsePort).u16(4).u16(*message.response_port).u16(0);
  if (message.error_code != 0) {
    const std::string_view reason = reason_of(message.error_code);
    writer.u16(kErrorCode).u16(static_cast<std::uint16_t>(4 + reason.size())).u16(0);
    writer.u8(static_cast<std::uint8_t>(message.error_code / 100));
    writer.u8(static_cast<std::uint8_t>(message.error_code % 100));
    writer.bytes(base::as_bytes(reason));
    while (writer.size() % 4 != 0) writer.u8(0);
  }
  if (message.kind == StunClass::error && !message.unknown.empty()) {
    writer.u16(kUnknownAttributes).u16(static_cast<std::uint16_t>(2 * message.unknown.size()));
    for (const std::uint16_t type : message.unknown) writer.u16(type);
    while (writer.size() % 4 != 0) writer.u8(0);
  }
  if (message.mapped && message.classic_id) {
    write_address(writer, kMappedAddress, *message.mapped, nullptr);
  } else if (message.mapped) {
    const auto mask = xor_mask(message.transaction);
    write_address(writer, kXorMappedAddress, *message.mapped, &mask);
  }
  if (message.response_origin) write_address(writer, kResponseOrigin, *message.response_origin, nullptr);
  if (message.other_address) write_address(writer, kOtherAddress, *message.other_address, nullptr);
  Bytes out = writer.take();
  const std::size_t length = out.size() - kHeader + (message.fingerprint ? kFingerprintSize : 0);
  P2PD_ASSERT(length <= 0xffff);
  set_length(out, length);
  if (message.fingerprint) {
    const std::uint32_t crc = crc32(out) ^ kFingerprintXor;
    ByteWriter tail;
    tail.u16(kFingerprint).u16(4).u32(crc);
    out.insert(out.end(), tail.view().begin(), tail.view().end());
  }
  return out;
}

}  // namespace p2pd::net
