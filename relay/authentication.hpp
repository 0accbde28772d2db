// The relay's half of authentication on a fresh connection: a signed challenge, bound to this relay's key,
// the authority of the client's URL and, where TLS ends here, to the TLS session. It ends with the welcome
// sent, or with a goodbye and an error.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/identity.hpp"
#include "net/relay_transport.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::relay {

struct Authentication {
  std::shared_ptr<const net::Identity> identity;
  // The welcome's parameters; the signature is filled in.
  proto::RelayWelcome welcome;
  proto::RelayLimits limits;
  // The authorities ("host:port") that this relay goes by; empty: whatever the client's Host header says.
  std::vector<std::string> authorities;
  // How long a refused client has to take the goodbye.
  std::chrono::milliseconds farewell{1'000};
  // A reason not to serve this client, asked once its signature is proven.
  std::function<std::optional<proto::RelayGoodbye>(const base::PeerId& client, std::string_view token)> judge;
};

// The caller sets the deadline. Errors are net::RelayError's: authentication_failed, not_permitted, limit,
// bad_frame, closed.
[[nodiscard]] boost::asio::awaitable<base::Result<base::PeerId>> authenticate_client(
    net::RelayTransport& transport, Authentication authentication);

// The authorities ("host:port") that a client may have meant with this HTTP Host header. Without a port it is
// the default one of the scheme, and where TLS may have been ended in front of the relay that is either.
[[nodiscard]] std::vector<std::string> authorities_of(std::string_view host_header, bool encrypted);

}  // namespace p2pd::relay
