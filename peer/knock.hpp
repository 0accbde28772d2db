// The knock of one who holds a ticket: made by the joiner, checked by the inviter against the secret it gave
// away. Bound to both keys, to the relay and to one connection, so that it admits nothing else. Pure
// functions; any thread.
#pragma once

#include "base/peer_id.hpp"
#include "proto/pairing_frames.hpp"

namespace p2pd::peer {

struct KnockParties {
  base::PeerId inviter;
  base::PeerId joiner;
  base::PeerId relay;  // the key that the relay between them proved
};

[[nodiscard]] proto::Knock make_knock(const proto::InvitationId& invitation,
                                      const proto::InvitationSecret& secret,
                                      const std::array<std::uint8_t, 8>& connection,
                                      const KnockParties& parties);
// Takes the same time whatever the MAC is.
[[nodiscard]] bool knock_holds(const proto::Knock& knock, const proto::InvitationSecret& secret,
                               const KnockParties& parties);

}  // namespace p2pd::peer
