// What both sides of an invitation call things. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/peer_id.hpp"
#include "proto/ticket.hpp"

namespace p2pd::daemon {

// An invitation's ID as people see it: 16 hex digits.
[[nodiscard]] std::string invitation_name(const proto::InvitationId& id);
// What a peer is called that nobody gave a name: "peer-" and the beginning of its ID.
[[nodiscard]] std::string default_name(const base::PeerId& id);
// Relays that the other end named, in canonical form; what is no relay's URL is left out.
[[nodiscard]] std::vector<std::string> canonical_relays(const std::vector<std::string>& urls);

}  // namespace p2pd::daemon
