#include "daemon/hashed_prefix.hpp"

#include <algorithm>
#include <array>

namespace p2pd::daemon {
namespace {

constexpr std::array<std::uint8_t, 256 * 1024> kZeros{};

}  // namespace

void HashedPrefix::add(base::ByteView data) {
  hash_.update(data);
  moved(data.size());
}

void HashedPrefix::add_zeros(std::uint64_t count) {
  while (count > 0) {
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()));
    add(base::ByteView(kZeros).first(step));
    count -= step;
  }
}

void HashedPrefix::moved(std::uint64_t count) {
  position_ += count;
  if (position_ - (kept_.empty() ? 0 : kept_.back().first) < kInterval) return;
  kept_.emplace_back(position_, hash_.copy());
  if (kept_.size() > kKept) kept_.pop_front();
}

void HashedPrefix::go_back(std::uint64_t position) {
  if (position >= position_) return;
  while (!kept_.empty() && kept_.back().first > position) kept_.pop_back();
  position_ = kept_.empty() ? 0 : kept_.back().first;
  hash_ = kept_.empty() ? net::Sha256Stream() : kept_.back().second.copy();
}

}  // namespace p2pd::daemon
