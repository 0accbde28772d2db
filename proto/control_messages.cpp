#include "proto/control_messages.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class ControlType : std::uint8_t {
  hello = 1,
  keep = 2,
  ice_credentials = 3,
  candidate = 4,
  candidates_done = 5,
  relay_hints = 6,
  ping = 7,
  pong = 8,
  direct_policy = 9,
  net_question = 10,
  net_report = 11,
};

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

struct Writer {
  base::ByteWriter& out;

  base::ByteWriter& type(ControlType value) const { return out.u8(static_cast<std::uint8_t>(value)); }

  void operator()(const ControlHello& hello) const {
    type(ControlType::hello)
        .u16(hello.version)
        .u32(hello.capabilities)
        .u64(hello.instance)
        .u64(hello.message_epoch)
        .u8(hello.direct_allowed ? 1 : 0);
  }
  void operator()(const ControlKeep&) const { type(ControlType::keep); }
  void operator()(const ControlIceCredentials& ice) const {
    P2PD_ASSERT(ice.password.size() <= kMaxPassword);
    type(ControlType::ice_credentials).u32(ice.generation).text8(ice.ufrag).text16(ice.password);
  }
  void operator()(const ControlCandidate& message) const {
    const Candidate& candidate = message.candidate;
    P2PD_ASSERT(candidate.foundation.size() <= kMaxFoundation);
    type(ControlType::candidate)
        .u32(message.generation)
        .u8(static_cast<std::uint8_t>(candidate.type))
        .text8(candidate.foundation)
        .u32(candidate.priority);
    write_endpoint(out, candidate.endpoint);
    out.u8(candidate.related ? 1 : 0);
    if (candidate.related) write_endpoint(out, *candidate.related);
  }
  void operator()(const ControlCandidatesDone& done) const {
    type(ControlType::candidates_done).u32(done.generation);
  }
  void operator()(const ControlRelayHints& hints) const {
    P2PD_ASSERT(hints.urls.size() <= kMaxRelayHints);
    type(ControlType::relay_hints).u8(static_cast<std::uint8_t>(hints.urls.size()));
    for (const std::string& url : hints.urls) {
      P2PD_ASSERT(is_hint(url));
      out.text16(url);
    }
  }
  void operator()(const ControlPing& ping) const { type(ControlType::ping).u64(ping.id); }
  void operator()(const ControlPong& pong) const { type(ControlType::pong).u64(pong.id); }
  void operator()(const ControlDirectPolicy& policy) const {
    type(ControlType::direct_policy).u8(policy.allowed ? 1 : 0);
  }
  void operator()(const ControlNetQuestion& question) const {
    type(ControlType::net_question).u64(question.id);
  }
  void operator()(const ControlNetReport& report) const {
    P2PD_ASSERT(report.candidates.size() <= kMaxReportedCandidates);
    write_net_report(type(ControlType::net_report).u64(report.id), report.report);
    out.u8(static_cast<std::uint8_t>(report.candidates.size()));
    for (const ReportedCandidate& candidate : report.candidates) {
      out.u8(candidate.local ? 1 : 0);
      for (const std::string* text :
           {&candidate.type, &candidate.address, &candidate.state, &candidate.reason}) {
        P2PD_ASSERT(is_word(*text));
        out.text8(*text);
      }
    }
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
  const base::Result<Endpoint> endpoint = read_endpoint(reader, "candidate: address family");
  if (!endpoint) return endpoint.error();
  candidate.endpoint = *endpoint;
  const base::Result<bool> has_related = read_flag(reader, "candidate: related address");
  if (!has_related) return has_related.error();
  if (*has_related && !reader.failed()) {
    const base::Result<Endpoint> related = read_endpoint(reader, "candidate: address family");
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

base::Result<ControlMessage> parse_net_report(base::ByteReader& reader) {
  ControlNetReport message;
  message.id = reader.u64();
  const base::Result<NetReport> report = read_net_report(reader);
  if (!report) return report.error();
  message.report = *report;
  const std::size_t count = reader.u8();
  if (count > kMaxReportedCandidates) return frame_error(FrameError::too_large, "network report: candidates");
  for (std::size_t i = 0; i < count && !reader.failed(); ++i) {
    ReportedCandidate candidate;
    const base::Result<bool> local = read_flag(reader, "network report: side");
    if (!local) return local.error();
    candidate.local = *local;
    for (std::string* text : {&candidate.type, &candidate.address, &candidate.state, &candidate.reason}) {
      *text = reader.text8();
      if (!is_word(*text)) return bad_value("network report: text");
    }
    message.candidates.push_back(std::move(candidate));
  }
  return exact<ControlMessage>(reader, "network report", std::move(message));
}

}  // namespace

bool is_word(std::string_view text) {
  return text.size() <= kMaxReportedText &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

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
  switch (static_cast<ControlType>(reader.u8())) {
    case ControlType::hello:
      return parse_hello(reader);
    case ControlType::keep:
      return exact<ControlMessage>(reader, "control keep", ControlKeep{});
    case ControlType::ice_credentials:
      return parse_ice_credentials(reader);
    case ControlType::candidate:
      return parse_candidate(reader);
    case ControlType::candidates_done:
      return exact<ControlMessage>(reader, "candidates done", ControlCandidatesDone{reader.u32()});
    case ControlType::relay_hints:
      return parse_relay_hints(reader);
    case ControlType::ping:
      return exact<ControlMessage>(reader, "control ping", ControlPing{reader.u64()});
    case ControlType::pong:
      return exact<ControlMessage>(reader, "control pong", ControlPong{reader.u64()});
    case ControlType::direct_policy:
      return parse_direct_policy(reader);
    case ControlType::net_question:
      return exact<ControlMessage>(reader, "network question", ControlNetQuestion{reader.u64()});
    case ControlType::net_report:
      return parse_net_report(reader);
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
