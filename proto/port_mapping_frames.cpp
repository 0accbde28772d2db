#include "proto/port_mapping_frames.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "proto/error.hpp"

namespace p2pd::proto {
namespace {

using base::ByteReader;
using base::Bytes;
using base::ByteView;
using base::ByteWriter;

constexpr std::uint8_t kPcp = 2;
constexpr std::uint8_t kNatPmp = 0;
constexpr std::uint8_t kReplyBit = 0x80;
constexpr std::uint8_t kOpAnnounce = 0;
constexpr std::uint8_t kOpAddress = 0;
constexpr std::uint8_t kOpMapUdp = 1;
constexpr std::uint8_t kUdp = 17;
constexpr std::size_t kMaxTarget = 256;

// RFC 6887 5: IPv4 stands as ::ffff:a.b.c.d.
void write_address(ByteWriter& out, const Endpoint& endpoint) {
  if (endpoint.v6) {
    out.bytes(endpoint.address);
    return;
  }
  out.u64(0).u16(0).u16(0xffff).bytes(ByteView(endpoint.address).first(4));
}

ByteWriter pcp_header(std::uint8_t opcode, std::uint32_t lifetime, const Endpoint& client) {
  ByteWriter out;
  out.u8(kPcp).u8(opcode).u16(0).u32(lifetime);
  write_address(out, client);
  return out;
}

base::Result<PortMappingReply> parse_pcp(ByteReader& reader, std::uint8_t opcode) {
  PortMappingReply reply;
  reader.u8();
  reply.result = reader.u8();
  reply.lifetime = reader.u32();
  reply.epoch = reader.u32();
  reader.take(12);
  reply.kind = PortMappingReply::Kind::pcp_other;
  if (reader.failed()) return frame_error(FrameError::truncated, "PCP reply");
  // A version refusal may copy as much of the request as it likes (RFC 6887 9).
  if (opcode != kOpMapUdp || reader.remaining() == 0) return reply;
  reply.kind = PortMappingReply::Kind::pcp_map;
  reply.nonce = reader.array<12>();
  const std::uint8_t protocol = reader.u8();
  reader.take(3);
  reply.internal_port = reader.u16();
  reply.external.port = reader.u16();
  reply.external.v6 = true;
  reply.external.address = reader.array<16>();
  if (reader.failed()) return frame_error(FrameError::truncated, "PCP map reply");
  if (protocol != kUdp) return frame_error(FrameError::bad_value, "PCP map reply: not UDP");
  reply.external = canonical(reply.external);
  return reply;  // options may follow; none was asked for
}

base::Result<PortMappingReply> parse_natpmp(ByteReader& reader, std::uint8_t opcode) {
  PortMappingReply reply;
  reply.result = reader.u16();
  reply.epoch = reader.u32();
  if (reader.failed()) return frame_error(FrameError::truncated, "NAT-PMP reply");
  // A failure has no body to rely on.
  if (reply.result != 0 && reader.remaining() == 0) return reply;
  if (opcode == kOpAddress) {
    const ByteView address = reader.take(4);
    std::copy(address.begin(), address.end(), reply.external.address.begin());
    reply.kind = PortMappingReply::Kind::natpmp_address;
  } else if (opcode == kOpMapUdp) {
    reply.internal_port = reader.u16();
    reply.external.port = reader.u16();
    reply.lifetime = reader.u32();
    reply.kind = PortMappingReply::Kind::natpmp_map;
  }
  if (reader.failed()) return frame_error(FrameError::truncated, "NAT-PMP reply");
  return reply;
}

bool same_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char one, char other) { return lower(one) == lower(other); });
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return trimmed(line);
}

}  // namespace

Bytes encode_pcp_map(const Endpoint& client, const PortMappingRequest& request) {
  ByteWriter out = pcp_header(kOpMapUdp, request.lifetime, client);
  out.bytes(request.nonce).u8(kUdp).u8(0).u16(0).u16(request.internal_port).u16(request.external.port);
  write_address(out, request.external);
  return out.take();
}

Bytes encode_pcp_announce(const Endpoint& client) { return pcp_header(kOpAnnounce, 0, client).take(); }

Bytes encode_natpmp_map(const PortMappingRequest& request) {
  // RFC 6886 3.4: a deletion has 0 for the external port.
  const std::uint16_t external = request.lifetime == 0 ? std::uint16_t{0} : request.external.port;
  return ByteWriter()
      .u8(kNatPmp)
      .u8(kOpMapUdp)
      .u16(0)
      .u16(request.internal_port)
      .u16(external)
      .u32(request.lifetime)
      .take();
}

Bytes encode_natpmp_address() { return ByteWriter().u8(kNatPmp).u8(kOpAddress).take(); }

bool is_version_refusal(const PortMappingReply& reply) { return reply.result == 1; }

std::string_view result_text(const PortMappingReply& reply) {
  using Kind = PortMappingReply::Kind;
  const bool pcp = reply.kind == Kind::pcp_map || reply.kind == Kind::pcp_other;
  if (reply.result == 0) return "success";
  if (reply.result == 1) return "unsupported version";
  if (reply.result == 2) return "not authorized";
  if (!pcp) {
    return reply.result == 3   ? "network failure"
           : reply.result == 4 ? "out of resources"
           : reply.result == 5 ? "unsupported opcode"
                               : "unknown result";
  }
  constexpr std::array<std::string_view, 11> kTexts{
      "malformed request",    "unsupported opcode",    "unsupported option",
      "malformed option",     "network failure",       "out of resources",
      "unsupported protocol", "user's quota is full",  "cannot provide that external address",
      "address mismatch",     "excessive remote peers"};
  const std::size_t at = reply.result - 3u;
  return at < kTexts.size() ? kTexts[at] : "unknown result";
}

base::Result<PortMappingReply> parse_port_mapping_reply(ByteView datagram) {
  if (datagram.size() > kMaxPortMappingReply) return frame_error(FrameError::too_large, "gateway reply");
  ByteReader reader(datagram);
  const std::uint8_t version = reader.u8();
  const std::uint8_t opcode = reader.u8();
  if (reader.failed()) return frame_error(FrameError::truncated, "gateway reply");
  if ((opcode & kReplyBit) == 0) return frame_error(FrameError::bad_value, "gateway reply: a request");
  const auto op = static_cast<std::uint8_t>(opcode & ~kReplyBit);
  if (version == kPcp) return parse_pcp(reader, op);
  if (version == kNatPmp) return parse_natpmp(reader, op);
  return frame_error(FrameError::version, "gateway reply");
}

bool epoch_says_lost(std::uint32_t before, std::uint32_t now, std::uint32_t elapsed) {
  // RFC 6887 8.5: a second's step back may be rounding; else the two clocks may differ by 1/16 and 2 s.
  if (now + std::uint64_t{1} < before) return true;
  const std::uint64_t server = now > before ? now - before : 0;
  const std::uint64_t client = elapsed;
  return client + 2 < server - server / 16 || server + 2 < client - client / 16;
}

std::optional<GatewayUrl> GatewayUrl::parse(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (text.size() < kScheme.size() || !same_without_case(text.substr(0, kScheme.size()), kScheme))
    return std::nullopt;
  text.remove_prefix(kScheme.size());
  const auto slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  GatewayUrl url;
  url.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  if (url.target.size() > kMaxTarget) return std::nullopt;
  if (std::any_of(url.target.begin(), url.target.end(), [](char c) { return c <= ' ' || c > '~'; }))
    return std::nullopt;
  std::uint16_t port = 80;
  const bool v6 = authority.starts_with('[');
  const auto end = v6 ? authority.find(']') : authority.find(':');
  if (v6 && end == std::string_view::npos) return std::nullopt;
  const std::string_view host = authority.substr(v6 ? 1 : 0, v6 ? end - 1 : end);
  std::string_view rest = end == std::string_view::npos ? "" : authority.substr(v6 ? end + 1 : end);
  if (!rest.empty()) {
    const char* const last = rest.data() + rest.size();
    const auto [stop, error] = std::from_chars(rest.data() + 1, last, port);
    if (rest.front() != ':' || error != std::errc() || stop != last || port == 0) return std::nullopt;
  }
  const auto endpoint = Endpoint::from_text(host, port);
  if (!endpoint || endpoint->v6 != v6) return std::nullopt;
  url.endpoint = canonical(*endpoint);
  return url;
}

std::string ssdp_search(std::string_view target) {
  return fmt::format(
      "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: "
      "{}\r\n\r\n",
      target);
}

std::optional<GatewayUrl> parse_ssdp_reply(std::string_view datagram) {
  std::string_view rest = datagram;
  const std::string_view status = take_line(rest);
  if (!status.starts_with("HTTP/1.1 200") && !status.starts_with("HTTP/1.0 200")) return std::nullopt;
  std::optional<GatewayUrl> location;
  bool gateway = false;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (same_without_case(name, "location")) location = GatewayUrl::parse(value);
    if (same_without_case(name, "st")) {
      gateway = value.find(":InternetGatewayDevice:") != std::string_view::npos ||
                value.find(":WANIPConnection:") != std::string_view::npos ||
                value.find(":WANPPPConnection:") != std::string_view::npos;
    }
  }
  return gateway ? location : std::nullopt;
}

}  // namespace p2pd::proto
