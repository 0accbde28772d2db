// A TURN server (RFC 8656) and what it asks for. Plain values; any thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

struct TurnCredentials {
  std::string user;
  std::string password;  // a secret
};

struct TurnServer {
  enum class Transport { udp, tcp };

  proto::Endpoint endpoint;
  TurnCredentials credentials;
  // Where it is not empty, time-limited credentials are made of it in the place of the ones above. A secret.
  std::string shared_secret;
  Transport transport = Transport::udp;
};

// Of draft-uberti-behave-turn-rest, as coturn's use-auth-secret has it: the user is "expiry:id" in seconds
// since 1970, the password the base64 of HMAC-SHA1(secret, user).
[[nodiscard]] TurnCredentials time_limited_credentials(std::string_view secret, std::string_view id,
                                                       base::WallTime expiry);

// For an allocation that is made now.
[[nodiscard]] TurnCredentials credentials_of(const TurnServer& server, base::WallTime now);

}  // namespace p2pd::net
