// The relay's counters, and their text for Prometheus (exposition format 0.0.4). No label names a client. A
// plain value of the server's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace p2pd::relay {

struct Metrics {
  std::uint64_t clients = 0;
  std::uint64_t unauthenticated = 0;
  bool draining = false;
  std::size_t access_entries = 0;  // keys or tokens
  std::optional<std::chrono::system_clock::time_point> certificate_not_after;

  std::uint64_t accepted = 0;
  std::uint64_t refused_early = 0;           // random early drop
  std::uint64_t refused_rate = 0;            // too many from one address
  std::uint64_t refused_http = 0;            // not a WebSocket upgrade
  std::uint64_t refused_authentication = 0;  // signature, binding, version
  std::uint64_t refused_permission = 0;
  std::uint64_t refused_limit = 0;    // full
  std::uint64_t refused_timeout = 0;  // not authenticated in time
  std::uint64_t refused_broken = 0;   // anything else before authentication

  std::uint64_t sessions = 0;
  std::uint64_t ended_superseded = 0;
  std::uint64_t ended_slow = 0;
  std::uint64_t ended_silent = 0;
  std::uint64_t ended_protocol = 0;
  std::uint64_t ended_permission = 0;  // by a reload

  std::uint64_t forwarded_packets = 0;
  std::uint64_t forwarded_bytes = 0;
  std::uint64_t dropped_offline = 0;
  std::uint64_t dropped_rate = 0;
  std::uint64_t dropped_queue = 0;
  std::uint64_t knocks = 0;
  std::uint64_t knocks_dropped = 0;

  std::uint64_t stun_answers = 0;
  std::uint64_t stun_dropped = 0;

  std::uint64_t reloads = 0;
  std::uint64_t reloads_failed = 0;

  [[nodiscard]] std::string text() const;
};

}  // namespace p2pd::relay
