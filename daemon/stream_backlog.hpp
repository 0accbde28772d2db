// One listened service while nobody listens: how long it is known yet, and the streams that wait, each for a
// time of its own. Pure: times are handed in. A plain value, owned by the ServiceBoard.
//
//   the last listener goes --kLinger--> not known any more
//   a stream comes in between --kLinger from then, whatever comes after it--> is to be refused
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "daemon/stream_bridge.hpp"

namespace p2pd::daemon {

class StreamBacklog {
 public:
  static constexpr std::size_t kMost = 16;
  static constexpr auto kLinger = std::chrono::seconds(5);

  // The last listener has gone just now.
  void listener_gone(base::TimePoint now) { known_until_ = now + kLinger; }
  // New streams may wait.
  [[nodiscard]] bool known(base::TimePoint now) const { return now < known_until_; }

  // `came` is when the peer asked for the stream: one that was given to a program which had gone comes back
  // with the time it has left. False: as many wait as may.
  [[nodiscard]] bool add(StreamNumber stream, base::TimePoint came);
  // It is over.
  void remove(StreamNumber stream);
  // Takes out the first that `wanted` says yes to, in the order in which they came.
  [[nodiscard]] std::optional<StreamNumber> take(const std::function<bool(StreamNumber)>& wanted);
  // Takes out those whose time is over.
  [[nodiscard]] std::vector<StreamNumber> expire(base::TimePoint now);

  // When the next stream expires, or the service is known no more, if that is still to come. kNever: neither.
  [[nodiscard]] base::TimePoint deadline(base::TimePoint now) const;
  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  struct Waiting {
    StreamNumber stream{};
    base::TimePoint until;
  };
  std::deque<Waiting> waiting_;  // the first to expire first
  base::TimePoint known_until_{};
};

}  // namespace p2pd::daemon
