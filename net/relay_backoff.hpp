// How long a session waits before it dials again: jittered, growing by a half with each failure in a row, so
// that the wait after an outage stays in proportion to the outage. Pure; the random number is handed in.
#pragma once

#include <chrono>

#include "base/result.hpp"
#include "net/relay_session.hpp"

namespace p2pd::net {

class RelayBackoff {
 public:
  explicit RelayBackoff(const RelaySessionConfig& config) : config_(config) {}

  // After a dial failed or a session ended with `error`. `random`: uniform in [0, 1).
  [[nodiscard]] std::chrono::milliseconds next(const base::Error& error, double random);
  // A good session, or news that make another dial worth while: the growth begins anew.
  void reset() { failures_ = 0; }

 private:
  const RelaySessionConfig& config_;
  unsigned failures_ = 0;  // in a row
};

}  // namespace p2pd::net
