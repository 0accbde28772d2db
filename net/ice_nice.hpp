// Between libnice's candidates and proto's. Private to net/: it includes libnice's header. Plain functions;
// any thread.
#pragma once

#include <memory>
#include <optional>

#include <nice/agent.h>

#include "net/ice.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

// Every ICE stream here has one component.
inline constexpr guint kComponent = NICE_COMPONENT_TYPE_RTP;

struct NiceCandidateFree {
  void operator()(NiceCandidate* candidate) const { nice_candidate_free(candidate); }
};
using NiceCandidatePtr = std::unique_ptr<NiceCandidate, NiceCandidateFree>;

// Empty for an address that is neither IPv4 nor IPv6.
[[nodiscard]] std::optional<proto::Endpoint> to_endpoint(const NiceAddress& address);
[[nodiscard]] NiceAddress to_nice(const proto::Endpoint& endpoint);

// Canonical. Empty for what we never gather (TCP).
[[nodiscard]] std::optional<proto::Candidate> to_candidate(const NiceCandidate& candidate);
[[nodiscard]] NiceCandidatePtr to_nice(const proto::Candidate& candidate, guint stream_id);

// RFC 8839 5.4: lengths and ice-chars. Anything else would be cut off or taken as it is by libnice.
[[nodiscard]] bool well_formed(const IceCredentials& credentials);

}  // namespace p2pd::net
