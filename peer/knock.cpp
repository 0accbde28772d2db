#include "peer/knock.hpp"

#include "net/crypto.hpp"

namespace p2pd::peer {
namespace {

net::Sha256 mac_of(const proto::Knock& knock, const proto::InvitationSecret& secret,
                   const KnockParties& parties) {
  return net::hmac_sha256(secret, proto::knock_text(knock, parties.inviter, parties.joiner, parties.relay));
}

}  // namespace

proto::Knock make_knock(const proto::InvitationId& invitation, const proto::InvitationSecret& secret,
                        const std::array<std::uint8_t, 8>& connection, const KnockParties& parties) {
  proto::Knock knock{invitation, connection, {}};
  knock.mac = mac_of(knock, secret, parties);
  return knock;
}

bool knock_holds(const proto::Knock& knock, const proto::InvitationSecret& secret,
                 const KnockParties& parties) {
  return base::equal_constant_time(knock.mac, mac_of(knock, secret, parties));
}

}  // namespace p2pd::peer
