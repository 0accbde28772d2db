#include "net/turn_server.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "net/crypto.hpp"

namespace p2pd::net {
namespace {

// An allocation is kept by refreshes with the credentials it was made with.
constexpr std::chrono::hours kValidFor{24};
// The same of all: the server has no need to tell the users of one secret apart.
constexpr std::string_view kId = "p2pd";

}  // namespace

TurnCredentials time_limited_credentials(std::string_view secret, std::string_view id,
                                         base::WallTime expiry) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(expiry.time_since_epoch()).count();
  TurnCredentials out;
  out.user = fmt::format("{}:{}", seconds, id);
  out.password = base::to_base64(hmac_sha1(base::as_bytes(secret), base::as_bytes(out.user)));
  return out;
}

TurnCredentials credentials_of(const TurnServer& server, base::WallTime now) {
  if (server.shared_secret.empty()) return server.credentials;
  return time_limited_credentials(server.shared_secret, kId, now + kValidFor);
}

}  // namespace p2pd::net
