#include "base/nearest.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace p2pd::base {
namespace {

// A word of a command line; what is longer is no slip.
constexpr std::size_t kLongest = 64;

// Optimal string alignment, row by row.
std::size_t slips(std::string_view one, std::string_view other) {
  std::vector<std::size_t> before_last(other.size() + 1);
  std::vector<std::size_t> last(other.size() + 1);
  std::vector<std::size_t> row(other.size() + 1);
  for (std::size_t j = 0; j <= other.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const bool same = one[i - 1] == other[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[other.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kLongest) return {};
  std::string_view best;
  std::size_t fewest = word.size() / 3 + 1;
  for (const std::string_view candidate : known) {
    const std::size_t count = slips(word, candidate);
    if (count >= fewest) continue;
    fewest = count;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                         std::string_view prefix) {
  const std::string_view found = nearest(word, known);
  if (found.empty()) return {};
  return "; did you mean " + std::string(prefix) + std::string(found) + "?";
}

}  // namespace p2pd::base
