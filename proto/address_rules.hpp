// Which addresses a remote candidate may name. Works on canonical endpoints; pure functions, for
// proto/candidate.cpp.
#pragma once

#include "proto/candidate.hpp"

namespace p2pd::proto {

// `none`, or why no packet may go to this address. Ports are not looked at.
[[nodiscard]] CandidateRefusal judge_address(const Endpoint& canonical_endpoint);

}  // namespace p2pd::proto
