// What the harnesses check besides not crashing: a value has one spelling, so whatever a parser accepts must
// encode to the very bytes it came from.
#pragma once

#include <algorithm>

#include "base/assert.hpp"
#include "base/bytes.hpp"

namespace p2pd::fuzz {

template <class Parse, class Encode>
void check_one_spelling(base::ByteView bytes, Parse parse, Encode encode) {
  const auto parsed = parse(bytes);
  if (!parsed) {
    P2PD_ASSERT(!parsed.error().message().empty());
    return;
  }
  const base::Bytes again = encode(*parsed);
  P2PD_ASSERT(std::ranges::equal(again, bytes));
}

// Feeds the rest of the input whole to one reader and, in pieces of the size its first byte says, to another:
// both must find the same and fail alike.
template <class Reader>
void check_pieces_do_not_matter(base::ByteView input) {
  if (input.empty()) return;
  const std::size_t piece = input[0] + std::size_t{1};
  const base::ByteView stream = input.subspan(1);
  Reader whole;
  Reader in_pieces;
  whole.feed(stream);
  bool failed = false;
  for (std::size_t at = 0; at < stream.size() && !failed; at += piece) {
    in_pieces.feed(stream.subspan(at, std::min(piece, stream.size() - at)));
    while (true) {
      const auto found = in_pieces.next();
      failed = found.has_error();
      if (failed || !found->has_value()) break;
      const auto expected = whole.next();
      P2PD_ASSERT(expected.has_value() && *expected == *found);
    }
  }
  const auto last = whole.next();
  P2PD_ASSERT(last.has_error() == failed);
  P2PD_ASSERT(failed || !last->has_value());
}

}  // namespace p2pd::fuzz
