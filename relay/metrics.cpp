#include "relay/metrics.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace p2pd::relay {
namespace {

using Samples = std::initializer_list<std::pair<std::string_view, std::uint64_t>>;

void write(std::string& out, std::string_view name, std::string_view type, std::string_view help,
           std::string_view label, Samples samples) {
  out += fmt::format("# HELP p2p_relay_{} {}\n# TYPE p2p_relay_{} {}\n", name, help, name, type);
  for (const auto& [value, count] : samples) {
    if (label.empty()) {
      out += fmt::format("p2p_relay_{} {}\n", name, count);
    } else {
      out += fmt::format("p2p_relay_{}{{{}=\"{}\"}} {}\n", name, label, value, count);
    }
  }
}

}  // namespace

std::string Metrics::text() const {
  std::string out;
  write(out, "clients", "gauge", "Authenticated sessions.", "", {{"", clients}});
  write(out, "unauthenticated", "gauge", "Connections not yet authenticated.", "", {{"", unauthenticated}});
  write(out, "draining", "gauge", "1 while the relay is being stopped.", "", {{"", draining ? 1u : 0u}});
  write(out, "accepted_total", "counter", "TCP connections accepted.", "", {{"", accepted}});
  write(out, "refused_total", "counter", "Connections ended before a session began.", "reason",
        {{"early_drop", refused_early},
         {"rate", refused_rate},
         {"http", refused_http},
         {"authentication", refused_authentication},
         {"permission", refused_permission},
         {"limit", refused_limit},
         {"timeout", refused_timeout},
         {"broken", refused_broken}});
  write(out, "sessions_total", "counter", "Sessions begun.", "", {{"", sessions}});
  write(out, "sessions_ended_total", "counter", "Sessions ended by the relay.", "reason",
        {{"superseded", ended_superseded},
         {"slow", ended_slow},
         {"silent", ended_silent},
         {"protocol", ended_protocol},
         {"permission", ended_permission}});
  write(out, "forwarded_packets_total", "counter", "Packets forwarded.", "", {{"", forwarded_packets}});
  write(out, "forwarded_bytes_total", "counter", "Payload bytes forwarded.", "", {{"", forwarded_bytes}});
  write(out, "dropped_packets_total", "counter", "Packets not forwarded.", "reason",
        {{"offline", dropped_offline}, {"rate", dropped_rate}, {"queue", dropped_queue}});
  write(out, "knocks_total", "counter", "Knocks forwarded.", "", {{"", knocks}});
  write(out, "knocks_dropped_total", "counter", "Knocks not forwarded.", "", {{"", knocks_dropped}});
  write(out, "stun_answers_total", "counter", "STUN requests answered.", "", {{"", stun_answers}});
  write(out, "stun_dropped_total", "counter", "STUN datagrams not answered.", "", {{"", stun_dropped}});
  write(out, "reloads_total", "counter", "Times the access and TLS files were read again.", "result",
        {{"good", reloads}, {"bad", reloads_failed}});
  write(out, "access_entries", "gauge", "Peer IDs or tokens that are permitted; 0 where everybody is.", "",
        {{"", access_entries}});
  if (certificate_not_after) {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(certificate_not_after->time_since_epoch()).count();
    write(out, "certificate_not_after_seconds", "gauge", "When the TLS certificate expires, in Unix time.",
          "", {{"", static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0))}});
  }
  write(out, "build_info", "gauge", "1, with the version of the relay.", "version", {{P2PD_VERSION, 1}});
  return out;
}

}  // namespace p2pd::relay
