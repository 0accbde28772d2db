// What stands between two peers and a direct path, from what both networks allow: one verdict in a sentence
// and one advice. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>

#include "peer/path.hpp"
#include "proto/net_report.hpp"

namespace p2pd::daemon {

// The reason made more exact by what is known of both networks: behind `checks_failed`, `no_candidates` and
// `in_progress` may stand blocked UDP, two NATs that cannot be passed, or one NAT in front of both that does
// not loop back.
[[nodiscard]] peer::WhyNotDirect refine(peer::WhyNotDirect why, const std::optional<proto::NetReport>& here,
                                        const std::optional<proto::NetReport>& there);

struct DiagnosisFacts {
  std::string peer;  // what it is called here
  bool connected = false;
  bool relay_online = false;  // any of ours
  std::string last_error;     // why there is no connection, a sentence or empty
  std::optional<peer::PathKind> path;
  peer::WhyNotDirect why = peer::WhyNotDirect::none;
  bool peer_direct = true;  // the address book permits direct paths to it
  proto::NetReport here;
  std::optional<proto::NetReport> there;  // nothing: the peer did not tell
};

struct Diagnosis {
  peer::WhyNotDirect why = peer::WhyNotDirect::none;  // refined
  std::string verdict;
  std::string advice;
};

[[nodiscard]] Diagnosis diagnose(const DiagnosisFacts& facts);

}  // namespace p2pd::daemon
