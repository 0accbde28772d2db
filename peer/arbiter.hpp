// Which connection of a pair stays. Both ends may dial, at once and again after a restart; the end with the
// lower ID, the arbiter, decides and says `keep`; the other obeys. Pure decisions over a count of events that
// grows by one with each connection's start and each `keep`; owned by peer::Peer.
//
// The arbiter keeps a newly authenticated connection, except where it began before the present one was kept:
// then the two dials crossed and either would do, so the one in use stays. What the other end began after
// that it began because it lost the present one (it restarted), so the newer one wins.
//
// A dial may be given up silently only where the far end cannot have kept it: by the arbiter always, by the
// other as long as nothing came back (without the server's first flight there is no Finished).
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "base/peer_id.hpp"

namespace p2pd::peer {

enum class Role : std::uint8_t { arbiter, other };
[[nodiscard]] Role role_of(const base::PeerId& self, const base::PeerId& peer);

// `began`: when the authenticated connection did; `kept`: when the present one was, if there is one.
[[nodiscard]] bool arbiter_keeps(std::uint64_t began, std::optional<std::uint64_t> kept);
[[nodiscard]] bool may_abandon_dial(Role role, bool heard);

// An Initial packet is no proof of anything (a relay can replay it), so it may displace only a handshake that
// is pending itself, and only at a bounded rate: four at once, then four a second.
class InboundGate {
 public:
  [[nodiscard]] bool admit(bool slot_taken, base::TimePoint now);

 private:
  double tokens_ = 4;
  std::optional<base::TimePoint> refilled_;
};

}  // namespace p2pd::peer
