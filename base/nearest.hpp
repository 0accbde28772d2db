// What a mistyped word was most likely meant to be. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace p2pd::base {

// The one of `known` from which `word` differs by the fewest slips: a byte too many, too few or another, two
// neighbours swapped. Empty when even that one differs by more than a third of `word`.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> known);
// "; did you mean X?" with what nearest() finds after `prefix`, or nothing.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                                       std::string_view prefix = {});

}  // namespace p2pd::base
