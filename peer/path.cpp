#include "peer/path.hpp"

namespace p2pd::peer {

std::string_view to_string(PathKind kind) {
  switch (kind) {
    case PathKind::direct:
      return "direct";
    case PathKind::turn:
      return "turn";
    case PathKind::relay:
      return "relay";
  }
  return "relay";
}

std::string_view to_string(WhyNotDirect why) {
  switch (why) {
    case WhyNotDirect::none:
      return "none";
    case WhyNotDirect::in_progress:
      return "in_progress";
    case WhyNotDirect::disabled:
      return "disabled";
    case WhyNotDirect::peer_disabled:
      return "peer_disabled";
    case WhyNotDirect::proxy:
      return "proxy";
    case WhyNotDirect::udp_blocked:
      return "udp_blocked";
    case WhyNotDirect::no_candidates:
      return "no_candidates";
    case WhyNotDirect::checks_failed:
      return "checks_failed";
    case WhyNotDirect::symmetric_nat:
      return "symmetric_nat";
    case WhyNotDirect::no_hairpin:
      return "no_hairpin";
    case WhyNotDirect::path_flapping:
      return "path_flapping";
    case WhyNotDirect::cooldown:
      return "cooldown";
  }
  return "none";
}

}  // namespace p2pd::peer
