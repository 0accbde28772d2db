// How big a datagram one ICE path takes (RFC 8899, datagram packetization layer path MTU discovery): a search
// upwards by padded probes while the path is in use, and a check of the size in use when packets of that size
// seem to get lost. All sizes are whole UDP payloads. It sends nothing: take_probe() says what to send and
// expire() what to conclude. Owned by a LinkPath, on the peer's thread.
//
//   stopped --start--> searching --all tried or 3 losses--> resting --10 min--> searching
//   check: round 1 --lost--> round 2 --lost, small ones passed both times--> base size, resting
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.hpp"

namespace p2pd::peer {

class PacketSize {
 public:
  // A 1,200-byte QUIC packet, the least that QUIC needs (RFC 9000 section 14), behind our 2-byte prefix.
  static constexpr std::size_t kBase = 1'202;
  static constexpr std::array<std::size_t, 4> kSteps{1'280, 1'400, 1'452, 8'900};
  static constexpr unsigned kMaxProbes = 3;                           // RFC 8899 5.1.2: MAX_PROBES
  static constexpr base::Duration kRaise = std::chrono::minutes(10);  // RFC 8899 5.1.1: PMTU_RAISE_TIMER

  [[nodiscard]] std::size_t payload() const { return payload_; }

  // The path comes into use, or is another one now: from the base size upwards, at once.
  void start(base::TimePoint now);
  // The path goes out of use.
  void stop();

  // Packets of the size in use may be getting lost. Nothing happens at the base size, during a check and
  // within half a second of the last one's end.
  void check(base::TimePoint now, base::Duration timeout);
  // A check lost its first round: full-size packets are not to be trusted.
  [[nodiscard]] bool in_doubt() const { return round_ == 2; }

  // The next padded probe to send now, until there is none; `timeout` is when it counts as lost.
  [[nodiscard]] std::optional<std::size_t> take_probe(base::TimePoint now, base::Duration timeout);
  // True: the path turned out a black hole for its size; payload() is the base size again.
  [[nodiscard]] bool expire(base::TimePoint now, base::Duration timeout);
  // An answered probe of `size`, which may be a small one, sent at `sent`.
  void on_answered(std::size_t size, base::TimePoint sent, base::TimePoint now);
  // EMSGSIZE for a datagram of `size`. True: payload() was beyond that, and is the base size again.
  bool on_too_big(std::size_t size, base::TimePoint now);

  // Of take_probe and expire.
  [[nodiscard]] base::TimePoint deadline() const;

 private:
  void fall_back(base::TimePoint now);
  void rest(base::TimePoint now);

  std::size_t payload_ = kBase;
  // Search: kSteps[next_] is tried next, tries_ of it were sent, and at search_due_ comes the next one.
  std::size_t next_ = 0;
  unsigned tries_ = 0;
  base::TimePoint search_due_ = base::kNever;
  // Check: 0 when there is none.
  unsigned round_ = 0;
  unsigned to_send_ = 0;
  base::TimePoint round_start_{};
  base::TimePoint round_end_{};
  std::array<bool, 2> small_passed_{};
  base::TimePoint checked_at_{};  // when the size was last answered for, or a check of it ended
};

}  // namespace p2pd::peer
