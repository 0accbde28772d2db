// Every bound of the relay in one place; what an operator sets comes from relay/options. A plain value.
#pragma once

#include <chrono>
#include <cstdint>

#include "proto/relay_frames.hpp"

namespace p2pd::relay {

// Random early drop of new connections, as OpenSSH's MaxStartups: below `start` unauthenticated ones nothing
// is dropped, from there `rate` percent, rising to all at `full`.
struct Startups {
  std::size_t start = 500;
  unsigned rate = 30;  // percent
  std::size_t full = 4'000;
};

struct Limits {
  std::size_t max_clients = 20'000;
  Startups startups;
  std::size_t max_payload = proto::kRelayMaxPayload;
  std::size_t max_interest = 1'024;  // peers a client may ask the presence of
  std::size_t queue_packets = 256;   // waiting for one client; the oldest is dropped
  std::size_t queue_bytes = 1024 * 1024;

  // A second, for each key; an address (/32, /64) gets `address_factor` times as much for all its keys.
  double rate_packets = 50'000;
  double rate_bytes = 256.0 * 1024 * 1024;
  double address_factor = 4;
  double rate_handshakes = 200;  // for each address; ten seconds' worth at once
  double rate_stun = 100;        // for each address
  // Knocks that one key may send (an address: `address_factor` times as many), and that one key is to bear.
  double rate_knocks_sent = 2;
  double rate_knocks_received = 10;
  // Pings, interest and the like, for each connection. More ends it.
  double rate_control = 200;
  double burst_control = 4'000;

  std::chrono::milliseconds authentication{5'000};  // from accept to hello
  std::chrono::milliseconds slow_consumer{5'000};   // a write that takes longer ends the client
  std::chrono::milliseconds ping_after{15'000};     // of silence
  std::chrono::milliseconds silent{40'000};         // ends the client
  std::chrono::milliseconds farewell{1'000};        // for the goodbye to leave
  std::chrono::milliseconds drain{2'000};
  std::chrono::milliseconds sweep{1'000};  // how often the times above are looked at
};

}  // namespace p2pd::relay
