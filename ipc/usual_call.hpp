// Reads the requests that nearly all are in one pass, without a tree of values for what is around their
// parameters. Pure function; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "ipc/codec.hpp"

namespace p2pd::ipc {

// One object of `jsonrpc` ("2.0"), `method`, `params` (an object) and `id` (a string or an integer), each at
// most once, the first two at least, in any order, with no number in `params` but integers of 64 bits.
// Nothing for any other line, right or wrong: parse_calls() reads it again and can say what is wrong with it.
[[nodiscard]] std::optional<Call> read_usual_call(std::string_view line);

}  // namespace p2pd::ipc
