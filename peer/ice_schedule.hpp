// When to try ICE again: after 0, 3, 6 and 12 s, then 60 s doubling to 5 min. Any network, candidate or
// port-mapping event starts it over, because then the next try has something new to find. No clock of its
// own; owned by peer::Session, on the peer's thread.
#pragma once

#include "base/clock.hpp"

namespace p2pd::peer {

class IceSchedule {
 public:
  // The wait from now (a failure, or the first wish) to the next try; each call is one try further on.
  [[nodiscard]] base::Duration next();
  // Something changed: the next try is at once.
  void reset() { tries_ = 0; }
  // Tries since the last reset.
  [[nodiscard]] unsigned tries() const { return tries_; }

 private:
  unsigned tries_ = 0;
};

}  // namespace p2pd::peer
