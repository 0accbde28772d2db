// The daemon's values as the API's JSON objects, one function a kind, so that every method shows them alike.
// Pure functions; control thread.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "daemon/address_book.hpp"
#include "daemon/relay_hub.hpp"
#include "net/port_mapper.hpp"
#include "peer/peer.hpp"
#include "store/types.hpp"

namespace p2pd::daemon {

// An entry of the address book.
[[nodiscard]] nlohmann::json to_json(const KnownPeer& peer);
// A relay session: {url, state: online|connecting, rtt_ms, home, error}.
[[nodiscard]] nlohmann::json to_json(const RelayHub::Status& relay);
// A peer as daemon.status and peer.status show it; `outbox`: messages that wait for it.
[[nodiscard]] nlohmann::json to_json(const KnownPeer& peer, const peer::PeerStatus& status,
                                     peer::Presence presence, std::uint64_t outbox);
// {state, protocol, gateway, external, mappings, error}
[[nodiscard]] nlohmann::json to_json(const net::PortMapperStatus& mapper);
[[nodiscard]] nlohmann::json to_json(const store::AttemptRow& attempt);
[[nodiscard]] nlohmann::json to_json(const peer::PeerQuality& quality);
[[nodiscard]] nlohmann::json bytes_json(const std::array<peer::PathBytes, peer::kPathKinds>& bytes);
// A share of packets, rounded; null of none.
[[nodiscard]] nlohmann::json loss_of(std::uint64_t lost, std::uint64_t sent);
// `name`: what the peer is called here, empty when it is not known any more.
[[nodiscard]] nlohmann::json to_json(const store::OutboxEntry& message, const std::string& name);

[[nodiscard]] std::string_view to_string(peer::Presence presence);
// Null where it is empty.
[[nodiscard]] nlohmann::json text_or_null(const std::string& text);
// Milliseconds, null for nothing.
[[nodiscard]] nlohmann::json ms_or_null(const std::optional<base::Duration>& duration);

}  // namespace p2pd::daemon
