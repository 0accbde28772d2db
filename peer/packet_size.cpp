#include "peer/packet_size.hpp"

#include <algorithm>

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCheckPause{500};
// "Two losses" are two rounds. The second is of two probes, so that random loss alone seldom shrinks a path.
constexpr unsigned kFirstRound = 1;
constexpr unsigned kSecondRound = 2;

}  // namespace

void PacketSize::start(base::TimePoint now) {
  payload_ = kBase;
  next_ = 0;
  tries_ = 0;
  search_due_ = now;
  round_ = 0;
  checked_at_ = now;
}

void PacketSize::stop() {
  payload_ = kBase;
  search_due_ = base::kNever;
  round_ = 0;
}

void PacketSize::check(base::TimePoint now, base::Duration timeout) {
  if (payload_ == kBase || round_ != 0 || now - checked_at_ < kCheckPause) return;
  round_ = 1;
  to_send_ = kFirstRound;
  round_start_ = now;
  round_end_ = now + timeout;
  small_passed_ = {};
}

std::optional<std::size_t> PacketSize::take_probe(base::TimePoint now, base::Duration timeout) {
  if (round_ != 0 && to_send_ != 0) {
    --to_send_;
    return payload_;
  }
  if (now < search_due_) return std::nullopt;
  if (tries_ == kMaxProbes) {
    rest(now);
    return std::nullopt;
  }
  ++tries_;
  search_due_ = now + timeout;
  return kSteps[next_];
}

bool PacketSize::expire(base::TimePoint now, base::Duration timeout) {
  if (round_ == 0 || now < round_end_) return false;
  if (round_ == 1) {
    round_ = 2;
    to_send_ = kSecondRound;
    round_start_ = now;
    round_end_ = now + timeout;
    return false;
  }
  round_ = 0;
  checked_at_ = now;
  // Where small ones were lost too, the path is to blame and not the size.
  if (!small_passed_[0] || !small_passed_[1]) return false;
  fall_back(now);
  return true;
}

void PacketSize::on_answered(std::size_t size, base::TimePoint sent, base::TimePoint now) {
  if (size < payload_) {
    if (round_ != 0 && sent >= round_start_) small_passed_[round_ - 1] = true;
    return;
  }
  round_ = 0;
  checked_at_ = now;
  if (size == payload_ || search_due_ == base::kNever) return;
  payload_ = size;
  next_ = static_cast<std::size_t>(std::ranges::upper_bound(kSteps, size) - kSteps.begin());
  tries_ = 0;
  search_due_ = next_ == kSteps.size() ? base::kNever : now;
}

bool PacketSize::on_too_big(std::size_t size, base::TimePoint now) {
  if (size <= kBase) return false;
  if (size > payload_) {
    if (search_due_ != base::kNever) rest(now);
    return false;
  }
  fall_back(now);
  return true;
}

base::TimePoint PacketSize::deadline() const {
  if (round_ == 0) return search_due_;
  return std::min(to_send_ != 0 ? round_start_ : round_end_, search_due_);
}

void PacketSize::fall_back(base::TimePoint now) {
  payload_ = kBase;
  next_ = 0;
  round_ = 0;
  checked_at_ = now;
  rest(now);
}

void PacketSize::rest(base::TimePoint now) {
  tries_ = 0;
  search_due_ = now + kRaise;
}

}  // namespace p2pd::peer
