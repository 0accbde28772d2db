// Whether the relay still answers, and how quickly: pings with a number of their own, answered by pongs with
// the same number. Pure; times are handed in.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.hpp"

namespace p2pd::net {

class RelayKeepalive {
 public:
  using Opaque = std::array<std::uint8_t, 8>;

  // The next ping's bytes. Nothing: two pings stand unanswered, the relay is dead.
  [[nodiscard]] std::optional<Opaque> next_ping(base::TimePoint now);
  // A pong that answers no ping of ours changes nothing.
  void on_pong(const Opaque& opaque, base::TimePoint now);
  // No ping stands unanswered.
  [[nodiscard]] bool answered() const { return unanswered_.empty(); }
  // RFC 6298 section 2, SRTT; unset before the first pong.
  [[nodiscard]] std::optional<base::Duration> rtt() const { return rtt_; }

 private:
  struct Ping {
    std::uint64_t number = 0;
    base::TimePoint sent;
  };
  static constexpr std::size_t kUnanswered = 2;

  std::uint64_t next_number_ = 1;
  std::deque<Ping> unanswered_;
  std::optional<base::Duration> rtt_;
};

}  // namespace p2pd::net
