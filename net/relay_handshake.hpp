// The client's half of authentication on a fresh relay connection: read the challenge, prove this machine's
// key, check that the relay proves its own. Private to net/.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/identity.hpp"
#include "net/relay_transport.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {

struct RelayHandshake {
  std::shared_ptr<const Identity> identity;
  std::string authority;
  std::string token;
  std::optional<base::PeerId> pinned;
  // See RelaySessionConfig.
  std::function<bool(const base::PeerId& relay)> joined_already;
  // Bind the signature to the TLS session. Fails where something in front of the relay ends TLS for it.
  bool bind_tls = true;
};

struct RelayAgreement {
  base::PeerId relay;
  proto::RelayWelcome welcome;
};

// The caller sets the deadline. Errors: what the relay's goodbye says, wrong_relay_key, joined_already,
// not_a_relay, closed.
[[nodiscard]] boost::asio::awaitable<base::Result<RelayAgreement>> authenticate_to_relay(
    RelayTransport& transport, RelayHandshake handshake);

// A goodbye as the error it stands for, with what the relay says about it.
[[nodiscard]] base::Error goodbye_error(const proto::RelayGoodbye& goodbye);

}  // namespace p2pd::net
