// TURN servers as the configuration names them: URIs (RFC 7065) and one file with what they ask for. Plain
// values; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "daemon/host_port.hpp"

namespace p2pd::daemon {

struct TurnUri {
  HostPort server;
  bool tcp = false;  // how the server is reached; to the peer it is always UDP

  // "turn:HOST[:PORT][?transport=udp|tcp]"; errors say what is wrong, without the option's name.
  [[nodiscard]] static base::Result<TurnUri> parse(std::string_view text);
  // As parse() takes it; port and transport are always there.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool operator==(const TurnUri&) const = default;
};

// Either a user and a password, or a secret shared with the servers, from which time-limited ones are made.
struct TurnSecret {
  std::string user;
  std::string password;
  std::string shared;

  [[nodiscard]] bool empty() const { return user.empty() && shared.empty(); }
  [[nodiscard]] bool operator==(const TurnSecret&) const = default;
};

// The file's first entry: one word is a shared secret, two are user and password. Errors name the file, never
// what is in it.
[[nodiscard]] base::Result<TurnSecret> read_turn_secret(const std::string& file);

}  // namespace p2pd::daemon
