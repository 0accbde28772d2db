#include "relay/admission.hpp"

namespace p2pd::relay {

bool admits(const Startups& startups, std::size_t unauthenticated, double random) {
  if (unauthenticated >= startups.full) return false;
  if (unauthenticated < startups.start) return true;
  const double base = startups.rate / 100.0;
  const double position = static_cast<double>(unauthenticated - startups.start) /
                          static_cast<double>(startups.full - startups.start);
  return random >= base + (1 - base) * position;
}

}  // namespace p2pd::relay
