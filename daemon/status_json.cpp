#include "daemon/status_json.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

namespace p2pd::daemon {
namespace {

using nlohmann::json;
using peer::PathKind;

json quality_json(const store::QualityRow& row) {
  const auto ms = [](const std::optional<std::int64_t>& us) {
    return us ? json(static_cast<double>(*us) / 1000.0) : json();
  };
  json bytes = json::object();
  json time = json::object();
  constexpr std::array<std::string_view, 3> kPaths{"direct", "turn", "relay"};
  for (std::size_t i = 0; i < kPaths.size(); ++i) {
    bytes[std::string(kPaths[i]) + "_tx"] = row.bytes_tx[i];
    bytes[std::string(kPaths[i]) + "_rx"] = row.bytes_rx[i];
    time[std::string(kPaths[i])] = row.time_ms[i];
  }
  return {{"rtt_ms", ms(row.rtt_us)},
          {"jitter_ms", ms(row.jitter_us)},
          {"loss", loss_of(row.packets_lost, row.packets_sent)},
          {"packets_sent", row.packets_sent},
          {"packets_lost", row.packets_lost},
          {"delivery_rate", row.delivery_rate == 0 ? json() : json(row.delivery_rate)},
          {"switches", row.switches},
          {"bytes", std::move(bytes)},
          {"time_ms", std::move(time)}};
}

json candidate_or_null(const std::optional<proto::Candidate>& candidate) {
  return candidate ? json(candidate->text()) : json();
}

}  // namespace

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

json ms_or_null(const std::optional<base::Duration>& duration) {
  if (!duration) return json();
  // Microseconds are what there is to know; more digits would be noise.
  return std::round(base::to_ms(*duration) * 1000.0) / 1000.0;
}

json loss_of(std::uint64_t lost, std::uint64_t sent) {
  if (sent == 0) return {};
  const double share = static_cast<double>(std::min(lost, sent)) / static_cast<double>(sent);
  return std::round(share * 1e6) / 1e6;
}

json bytes_json(const std::array<peer::PathBytes, peer::kPathKinds>& bytes) {
  const auto of = [&bytes](PathKind kind) { return bytes[static_cast<std::size_t>(kind)]; };
  return {{"relay_tx", of(PathKind::relay).tx},   {"relay_rx", of(PathKind::relay).rx},
          {"direct_tx", of(PathKind::direct).tx}, {"direct_rx", of(PathKind::direct).rx},
          {"turn_tx", of(PathKind::turn).tx},     {"turn_rx", of(PathKind::turn).rx}};
}

json to_json(const peer::PeerQuality& quality) {
  const auto time = [&quality](PathKind kind) {
    return std::chrono::round<std::chrono::milliseconds>(quality.time[static_cast<std::size_t>(kind)])
        .count();
  };
  return {{"rtt_ms", ms_or_null(quality.rtt)},
          {"jitter_ms", ms_or_null(quality.jitter)},
          {"loss", loss_of(quality.packets_lost, quality.packets_sent)},
          {"packets_sent", quality.packets_sent},
          {"packets_lost", quality.packets_lost},
          {"delivery_rate", quality.delivery_rate == 0 ? json() : json(quality.delivery_rate)},
          {"switches", quality.switches},
          {"time_ms",
           {{"direct", time(PathKind::direct)},
            {"turn", time(PathKind::turn)},
            {"relay", time(PathKind::relay)}}}};
}

std::string_view to_string(peer::Presence presence) {
  switch (presence) {
    case peer::Presence::unknown:
      return "unknown";
    case peer::Presence::here:
      return "here";
    case peer::Presence::gone:
      return "gone";
    case peer::Presence::unavailable:
      return "unavailable";
  }
  return "unknown";
}

json to_json(const KnownPeer& peer) {
  return {{"id", peer.id.text()},  {"name", peer.name},
          {"relays", peer.relays}, {"direct", peer.direct ? "on" : "off"},
          {"wanted", peer.wanted}, {"files", peer.accept_files ? "accept" : "refuse"}};
}

json to_json(const RelayHub::Status& relay) {
  return {{"url", relay.url},
          {"state", relay.online ? "online" : "connecting"},
          {"rtt_ms", ms_or_null(relay.rtt)},
          {"configured", relay.configured},
          {"home", relay.home},
          {"error", relay.online ? json() : text_or_null(relay.last_error)}};
}

json to_json(const net::PortMapperStatus& mapper) {
  return {{"state", net::to_string(mapper.state)},
          {"protocol", text_or_null(mapper.protocol)},
          {"gateway", text_or_null(mapper.gateway)},
          {"external", text_or_null(mapper.external)},
          {"mappings", mapper.mappings},
          {"reached",
           mapper.reached == proto::Finding::unknown ? json() : json(mapper.reached == proto::Finding::yes)},
          {"error", text_or_null(mapper.error)}};
}

json to_json(const KnownPeer& peer, const peer::PeerStatus& status, peer::Presence presence,
             std::uint64_t outbox) {
  json out = to_json(peer);
  out.update(
      {{"state", to_string(status.state)},
       {"path", status.path ? json(to_string(*status.path)) : json()},
       {"why_not_direct",
        status.why_not_direct == peer::WhyNotDirect::none ? json() : json(to_string(status.why_not_direct))},
       {"rtt_ms", ms_or_null(status.rtt)},
       {"local_candidate", candidate_or_null(status.local_candidate)},
       {"remote_candidate", candidate_or_null(status.remote_candidate)},
       {"to_relay_ms", ms_or_null(status.to_relay)},
       {"to_direct_ms", ms_or_null(status.to_direct)},
       {"bytes", bytes_json(status.bytes)},
       {"switches", status.switches},
       {"quality", status.quality ? to_json(*status.quality) : json()},
       {"connection", text_or_null(status.connection)},
       {"last_error", text_or_null(status.last_error)},
       {"presence", to_string(presence)},
       {"outbox", outbox}});
  return out;
}

json to_json(const store::AttemptRow& attempt) {
  const auto ms = [](const std::optional<std::chrono::milliseconds>& value) {
    return value ? json(value->count()) : json();
  };
  json candidates = json::array();
  for (const auto& row : attempt.candidates) {
    candidates.push_back({{"side", row.side},
                          {"type", row.type},
                          {"address", row.address},
                          {"generation", row.generation},
                          {"state", row.state},
                          {"reason", text_or_null(row.reason)}});
  }
  json paths = json::array();
  for (const auto& row : attempt.paths) {
    paths.push_back({{"at", base::to_rfc3339(row.at)},
                     {"path", row.to},
                     {"from", text_or_null(row.from)},
                     {"to", row.to},
                     {"why_not_direct", text_or_null(row.why_not_direct)},
                     {"reason", text_or_null(row.reason)},
                     {"local_candidate", text_or_null(row.local_candidate)},
                     {"remote_candidate", text_or_null(row.remote_candidate)}});
  }
  return {{"id", base::to_hex(base::ByteWriter().u64(attempt.id).view())},
          {"started", base::to_rfc3339(attempt.started)},
          {"ended", attempt.ended ? json(base::to_rfc3339(*attempt.ended)) : json()},
          {"outcome", text_or_null(attempt.outcome)},
          {"reason", text_or_null(attempt.reason)},
          {"to_relay_ms", ms(attempt.to_relay)},
          {"to_direct_ms", ms(attempt.to_direct)},
          {"candidates", std::move(candidates)},
          {"paths", std::move(paths)},
          {"quality", attempt.quality ? quality_json(*attempt.quality) : json()}};
}

json to_json(const store::OutboxEntry& message, const std::string& name) {
  return {{"id", message.id},
          {"peer", message.peer.text()},
          {"name", text_or_null(name)},
          {"sequence", message.sequence},
          {"created", base::to_rfc3339(message.created)},
          {"size", message.size},
          {"content_type", message.content_type},
          {"reply_to", text_or_null(message.reply_to)}};
}

}  // namespace p2pd::daemon
