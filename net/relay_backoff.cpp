#include "net/relay_backoff.hpp"

#include <algorithm>

#include "net/relay_error.hpp"

namespace p2pd::net {
namespace {

using std::chrono::milliseconds;

constexpr double kGrowth = 1.5;
// Clients of a restarting relay come back spread over this time.
constexpr milliseconds kDrainSpread{1'500};

// Trying again soon mends none of these.
bool needs_a_person(const base::Error& error) {
  return error.code == RelayError::certificate_refused || error.code == RelayError::wrong_relay_key ||
         error.code == RelayError::authentication_failed || error.code == RelayError::not_permitted ||
         error.code == RelayError::bad_tls_files || error.code == RelayError::proxy_refused;
}

double count(milliseconds time) { return static_cast<double>(time.count()); }

}  // namespace

milliseconds RelayBackoff::next(const base::Error& error, double random) {
  double delay = count(config_.backoff_min);
  const double most = count(config_.backoff_max);
  for (unsigned i = 0; i < failures_ && delay < most; ++i) delay *= kGrowth;
  ++failures_;
  if (needs_a_person(error) || error.code == RelayError::joined_already)
    delay = std::max(delay, count(config_.refused_backoff));
  delay = std::min(delay, most) * (0.5 + random / 2);
  if (error.code == RelayError::draining) delay += count(kDrainSpread) * random;
  // Two daemons with one key would otherwise throw each other out for ever.
  if (error.code == RelayError::superseded) delay = count(config_.superseded_backoff) * (1 + random / 2);
  return milliseconds(static_cast<milliseconds::rep>(delay));
}

}  // namespace p2pd::net
