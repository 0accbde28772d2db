// The time that ngtcp2 sees of one connection: nanoseconds that never go backwards, and that can be made to
// jump forward, which is how a loss timer is fired before it is due (QuicConnection::kick). A plain value,
// owned by its connection.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/clock.hpp"

namespace p2pd::net {

class QuicClock {
 public:
  using Stamp = std::uint64_t;
  static constexpr Stamp kNoStamp = std::numeric_limits<Stamp>::max();

  explicit QuicClock(base::TimePoint start) : start_(start), last_(kOrigin) {}

  // `now` on ngtcp2's clock; the last stamp again when `now` is in its past.
  Stamp stamp(base::TimePoint now) {
    last_ = std::max(last_, kOrigin + skew_ + nanoseconds(now - start_));
    return last_;
  }
  [[nodiscard]] Stamp last() const { return last_; }
  // `stamp` was shown to ngtcp2 a moment early: nothing before it may follow.
  void reach(Stamp stamp) { last_ = std::max(last_, stamp); }
  // When the caller's clock reaches `stamp`; kNever for kNoStamp and for what lies beyond the clock's end.
  [[nodiscard]] base::TimePoint time(Stamp stamp) const {
    const Stamp zero = kOrigin + skew_;
    if (stamp <= zero) return start_;
    const Stamp since = stamp - zero;
    if (since >= nanoseconds(base::kNever - start_)) return base::kNever;
    return start_ + std::chrono::duration_cast<base::Duration>(std::chrono::nanoseconds(since));
  }
  // Makes `stamp` the present, for good.
  void jump_to(Stamp stamp) {
    if (stamp <= last_) return;
    skew_ += stamp - last_;
    last_ = stamp;
  }

 private:
  // Zero means "no sample yet" in ngtcp2's rate estimation.
  static constexpr Stamp kOrigin = 1'000'000'000;

  static Stamp nanoseconds(base::Duration duration) {
    const auto count = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
    return count > 0 ? static_cast<Stamp>(count) : 0;
  }

  base::TimePoint start_;
  Stamp last_;
  Stamp skew_ = 0;
};

}  // namespace p2pd::net
