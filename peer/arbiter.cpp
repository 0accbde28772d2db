#include "peer/arbiter.hpp"

#include <algorithm>
#include <chrono>

namespace p2pd::peer {

Role role_of(const base::PeerId& self, const base::PeerId& peer) {
  return self < peer ? Role::arbiter : Role::other;
}

bool arbiter_keeps(std::uint64_t began, std::optional<std::uint64_t> kept) { return !kept || began > *kept; }

bool may_abandon_dial(Role role, bool heard) { return role == Role::arbiter || !heard; }

bool InboundGate::admit(bool slot_taken, base::TimePoint now) {
  constexpr double kBurst = 4;
  constexpr double kPerSecond = 4;
  if (refilled_) {
    const std::chrono::duration<double> passed = now - *refilled_;
    tokens_ = std::min(kBurst, tokens_ + passed.count() * kPerSecond);
  }
  refilled_ = now;
  if (!slot_taken) return true;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

}  // namespace p2pd::peer
