#include "daemon/stream_backlog.hpp"

#include <algorithm>

namespace p2pd::daemon {

bool StreamBacklog::add(StreamNumber stream, base::TimePoint came) {
  if (waiting_.size() >= kMost) return false;
  const base::TimePoint until = came + kLinger;
  const auto behind = std::find_if(waiting_.begin(), waiting_.end(),
                                   [&](const Waiting& other) { return other.until > until; });
  waiting_.insert(behind, {stream, until});
  return true;
}

void StreamBacklog::remove(StreamNumber stream) {
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.stream == stream; });
}

std::optional<StreamNumber> StreamBacklog::take(const std::function<bool(StreamNumber)>& wanted) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& waiting) { return wanted(waiting.stream); });
  if (found == waiting_.end()) return std::nullopt;
  const StreamNumber stream = found->stream;
  waiting_.erase(found);
  return stream;
}

std::vector<StreamNumber> StreamBacklog::expire(base::TimePoint now) {
  std::vector<StreamNumber> expired;
  while (!waiting_.empty() && waiting_.front().until <= now) {
    expired.push_back(waiting_.front().stream);
    waiting_.pop_front();
  }
  return expired;
}

base::TimePoint StreamBacklog::deadline(base::TimePoint now) const {
  const base::TimePoint first = waiting_.empty() ? base::kNever : waiting_.front().until;
  return known(now) ? std::min(first, known_until_) : first;
}

}  // namespace p2pd::daemon
