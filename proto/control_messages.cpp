#include "proto/control_messages.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class Type : std::uint8_t {
  hello = 1,
  keep = 2,
  ice_credentials = 3,
  candidate = 4,
  candidates_done = 5,
  relay_hints = 6,
  ping = 7,
  pong = 8,
  direct_policy = 9,
};

constexpr std::uint8_t kIpv4 = 4;
constexpr std::uint8_t kIpv6 = 6;
constexpr std::size_t kMaxFoundation = 32;

// RFC 8839 5.4; the upper bound of a ufrag is what text8 carries.
constexpr std::size_t kMinUfrag = 4;
constexpr std::size_t kMinPassword = 22;
constexpr std::size_t kMaxPassword = 256;

base::Error bad_value(std::string about) { return frame_error(FrameError::bad_value, std::move(about)); }

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_hint(std::string_view url) {
  return !url.empty() && url.size() <= kMaxRelayHintSize && is_printable(url);
}

// Writes nothing but 0 and 1; reads nothing else, so that there is one spelling.
base::Result<bool> read_flag(base::ByteReader& reader, const char* about) {
  const std::uint8_t flag = reader.u8();
  if (flag > 1) return bad_value(about);
  return flag == 1;
}

void write(base::ByteWriter& out, const Endpoint& endpoint) {
  out.u8(endpoint.v6 ? kIpv6 : kIpv4)
      .bytes(base::ByteView(endpoint.address).first(endpoint.v6 ? 16 : 4))
      .u16(endpoint.port);
}

base::Result<Endpoint> read_endpoint(base::ByteReader& reader) {
  Endpoint endpoint;
  const std::uint8_t family = reader.u8();
  if (family != kIpv4 && family != kIpv6) return bad_value("candidate: address family");
  endpoint.v6 = family == kIpv6;
  const base::ByteView address = reader.take(endpoint.v6 ? 16 : 4);
  std::copy(address.begin(), address.end(), endpoint.address.begin());
  endpoint.port = reader.u16();
  return endpoint;
}

struct Writer {
  base::ByteWriter& out;

  base::ByteWriter& type(Type value) const { return out.u8(static_cast<std::uint8_t>(value)); }

  void operator()(const ControlHello& hello) const {
    type(Type::hello)
        .u16(hello.version)
        .u32(hello.capabilities)
        .u64(hello.instance)
        .u64(hello.message_epoch)
        .u8(hello.direct_allowed ? 1 : 0);
  }
  void operator()(const ControlKeep&) const { type(Type::keep); }
  void operator()(const ControlIceCredentials& ice) const {
    P2PD_ASSERT(ice.password.size() <= kMaxPassword);
    type(Type::ice_credentials).u32(ice.generation).text8(ice.ufrag).text16(ice.password);
  }
  void operator()(const ControlCandidate& message) const {
    const Candidate& candidate = message.candidate;
    P2PD_ASSERT(candidate.foundation.size() <= kMaxFoundation);
    type(Type::candidate)
        .u32(message.generation)
        .u8(static_cast<std::uint8_t>(candidate.type))
        .text8(candidate.foundation)
        .u32(candidate.priority);
    write(out, candidate.endpoint);
    out.u8(candidate.related ? 1 : 0);
    if (candidate.related) write(out, *candidate.related);
  }
  void operator()(const ControlCandidatesDone& done) const {
    type(Type::candidates_done).u32(done.generation);
  }
  void operator()(const ControlRelayHints& hints) const {
    P2PD_ASSERT(hints.urls.size() <= kMaxRelayHints);
    type(Type::relay_hints).u8(static_cast<std::uint8_t>(hints.urls.size()));
    for (const std::string& url : hints.urls) {
      P2PD_ASSERT(is_hint(url));
      out.text16(url);
    }
  }
  void operator()(const ControlPing& ping) const { type(Type::ping).u64(ping.id); }
  void operator()(const ControlPong& pong) const { type(Type::pong).u64(pong.id); }
  void operator()(const ControlDirectPolicy& policy) const {
    type(Type::direct_policy).u8(policy.allowed ? 1 : 0);
  }
};

base::Result<ControlMessage> parse_hello(base::ByteReader& reader) {
  ControlHello hello;
  hello.version = reader.u16();
  if (!reader.failed() && hello.version != kControlVersion) {
    return frame_error(FrameError::version, "control hello");
  }
  hello.capabilities = reader.u32();
  hello.instance = reader.u64();
  hello.message_epoch = reader.u64();
  const base::Result<bool> direct = read_flag(reader, "control hello: direct");
  if (!direct) return direct.error();
  hello.direct_allowed = *direct;
  return exact<ControlMessage>(reader, "control hello", hello);
}

base::Result<ControlMessage> parse_ice_credentials(base::ByteReader& reader) {
  ControlIceCredentials ice;
  ice.generation = reader.u32();
  ice.ufrag = reader.text8();
  ice.password = reader.text16();
  auto out = exact<ControlMessage>(reader, "ICE credentials", ice);
  if (out &&
      (ice.ufrag.size() < kMinUfrag || ice.password.size() < kMinPassword ||
       ice.password.size() > kMaxPassword || !is_ice_chars(ice.ufrag) || !is_ice_chars(ice.password))) {
    return bad_value("ICE credentials");
  }
  return out;
}

base::Result<ControlMessage> parse_candidate(base::ByteReader& reader) {
  ControlCandidate message;
  Candidate& candidate = message.candidate;
  message.generation = reader.u32();
  candidate.type = static_cast<CandidateType>(reader.u8());
  candidate.foundation = reader.text8();
  candidate.priority = reader.u32();
  if (reader.failed()) return frame_error(FrameError::truncated, "candidate");
  if (candidate.type > CandidateType::relay) return bad_value("candidate: type");
  if (candidate.foundation.size() > kMaxFoundation) return bad_value("candidate: foundation");
  const base::Result<Endpoint> endpoint = read_endpoint(reader);
  if (!endpoint) return endpoint.error();
  candidate.endpoint = *endpoint;
  const base::Result<bool> has_related = read_flag(reader, "candidate: related address");
  if (!has_related) return has_related.error();
  if (*has_related && !reader.failed()) {
    const base::Result<Endpoint> related = read_endpoint(reader);
    if (!related) return related.error();
    candidate.related = *related;
  }
  return exact<ControlMessage>(reader, "candidate", std::move(message));
}

base::Result<ControlMessage> parse_relay_hints(base::ByteReader& reader) {
  ControlRelayHints hints;
  const std::size_t count = reader.u8();
  if (count > kMaxRelayHints) return frame_error(FrameError::too_large, "relay hints");
  for (std::size_t i = 0; i < count; ++i) {
    hints.urls.emplace_back(reader.text16());
    if (!reader.failed() && !is_hint(hints.urls.back())) return bad_value("relay hints: URL");
  }
  return exact<ControlMessage>(reader, "relay hints", std::move(hints));
}

base::Result<ControlMessage> parse_direct_policy(base::ByteReader& reader) {
  const base::Result<bool> allowed = read_flag(reader, "direct policy");
  if (!allowed) return allowed.error();
  return exact<ControlMessage>(reader, "direct policy", ControlDirectPolicy{*allowed});
}

}  // namespace

bool is_ice_chars(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  });
}

base::Bytes encode(const ControlMessage& message) {
  base::ByteWriter body;
  std::visit(Writer{body}, message);
  P2PD_ASSERT(body.size() <= kMaxControlFrame);
  return base::ByteWriter().u16(static_cast<std::uint16_t>(body.size())).bytes(body.view()).take();
}

base::Result<ControlMessage> parse_control_message(base::ByteView frame) {
  if (frame.size() > kMaxControlFrame) return frame_error(FrameError::too_large, "control message");
  if (frame.empty()) return frame_error(FrameError::truncated, "control message");
  base::ByteReader reader(frame);
  switch (static_cast<Type>(reader.u8())) {
    case Type::hello:
      return parse_hello(reader);
    case Type::keep:
      return exact<ControlMessage>(reader, "control keep", ControlKeep{});
    case Type::ice_credentials:
      return parse_ice_credentials(reader);
    case Type::candidate:
      return parse_candidate(reader);
    case Type::candidates_done:
      return exact<ControlMessage>(reader, "candidates done", ControlCandidatesDone{reader.u32()});
    case Type::relay_hints:
      return parse_relay_hints(reader);
    case Type::ping:
      return exact<ControlMessage>(reader, "control ping", ControlPing{reader.u64()});
    case Type::pong:
      return exact<ControlMessage>(reader, "control pong", ControlPong{reader.u64()});
    case Type::direct_policy:
      return parse_direct_policy(reader);
  }
  return frame_error(FrameError::unknown_type, "control message");
}

base::Result<std::optional<ControlMessage>> ControlDeframer::next() {
  if (broken_) return *broken_;
  while (true) {
    const auto frame = deframer_.next();
    if (!frame) return frame.error();
    if (!frame->has_value()) return std::optional<ControlMessage>();
    base::Result<ControlMessage> message = parse_control_message(**frame);
    if (message) return std::optional<ControlMessage>(std::move(*message));
    if (message.error().code != FrameError::unknown_type) {
      broken_ = message.error();
      return *broken_;
    }
  }
}

}  // namespace p2pd::proto
