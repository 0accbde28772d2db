// How fast one connection's packets may follow each other, where ngtcp2 0.12.1 leaves it to its user: when a
// burst is long enough to tell the library's pacer, and from when the next interval counts. Also remembers
// how much was sent again lately. A plain value, owned by its connection.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "net/quic_clock.hpp"

namespace p2pd::net {

class QuicPacer {
 public:
  struct Rate {
    double bytes_per_nanosecond = 0;
    std::uint64_t round_trip = 0;  // nanoseconds
    std::uint64_t delivered_per_second = 0;
  };

  void add(std::size_t size) { burst_ += size; }
  [[nodiscard]] bool in_burst() const { return burst_ > 0; }
  // Cheap: whether burst_over() is worth asking.
  [[nodiscard]] bool long_burst(std::size_t packet_size) const { return burst_ >= kPackets * packet_size; }
  [[nodiscard]] bool burst_over(std::size_t packet_size, const Rate& rate) const {
    return burst_ >= quantum(packet_size, rate);
  }
  // From when the burst that ends now is to be counted. ngtcp2 lets the next one go up to 1 ms early; counted
  // from when it really went, many small bursts would be much faster than the rate. No more than that is held
  // against it: acknowledgements go whatever the pacer says, and must not put off data.
  QuicClock::Stamp end_burst(QuicClock::Stamp now, const Rate& rate) {
    const QuicClock::Stamp due = std::clamp(until_, now, now + kEarly);
    until_ = due + static_cast<QuicClock::Stamp>(static_cast<double>(burst_) / rate.bytes_per_nanosecond);
    burst_ = 0;
    return due;
  }

  // The shortest round trip of the last 5 to 10 seconds, as BBR has it.
  void round_trip(QuicClock::Stamp now, std::uint64_t sample) {
    if (now - since_ >= kWindow) {
      earlier_ = now - since_ >= 2 * kWindow ? sample : shortest_;
      shortest_ = sample;
      since_ = now;
    }
    shortest_ = std::min(shortest_, sample);
  }
  // The path is another now.
  void forget_round_trips() { earlier_ = shortest_ = kUnknown; }
  // Whether more than BBR's window, twice the path's capacity and three bursts, is in flight. The library's
  // own window has bursts of its largest packets in it, half a megabyte that would stand in a slow line's
  // queue.
  [[nodiscard]] bool window_full(std::uint64_t in_flight, std::size_t packet_size, const Rate& rate) const {
    const std::uint64_t trip = std::min(earlier_, shortest_);
    if (trip == kUnknown || rate.delivered_per_second == 0) return false;
    const double capacity = static_cast<double>(rate.delivered_per_second) * static_cast<double>(trip) / 1e9;
    return static_cast<double>(in_flight) >
           2 * capacity + 3 * static_cast<double>(quantum(packet_size, rate));
  }

  // A packet repeated lost data.
  void repeated(QuicClock::Stamp now) {
    repeats_[repeat_count_ % repeats_.size()] = now;
    ++repeat_count_;
  }
  [[nodiscard]] std::uint64_t repeat_count() const { return repeat_count_; }
  // Sixteen repeats within three round trips.
  [[nodiscard]] bool heavy_loss(QuicClock::Stamp now, std::uint64_t round_trip) const {
    return repeat_count_ >= repeats_.size() &&
           now - repeats_[repeat_count_ % repeats_.size()] < 3 * round_trip;
  }

 private:
  static constexpr std::size_t kPackets = 10;
  static constexpr double kLongest = 64 * 1024;
  static constexpr double kFast = 0.003;  // 24 Mbit/s in bytes a nanosecond
  static constexpr QuicClock::Stamp kEarly = 1'000'000;
  static constexpr QuicClock::Stamp kWindow = 5'000'000'000;
  static constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

  // BBR's longest burst, for the packets of this path: ngtcp2 counts with the largest ones, ten of which are
  // too much at once on a path of small ones.
  static std::size_t quantum(std::size_t packet_size, const Rate& rate) {
    const double trip = rate.bytes_per_nanosecond * static_cast<double>(rate.round_trip);
    const auto one_trip =
        rate.bytes_per_nanosecond < kFast ? 0 : static_cast<std::size_t>(std::min(trip, kLongest));
    return std::max(kPackets * packet_size, one_trip);
  }

  std::size_t burst_ = 0;  // bytes written since ngtcp2's pacer was told
  QuicClock::Stamp until_ = 0;
  QuicClock::Stamp since_ = 0;  // of the current half of the window
  std::uint64_t shortest_ = kUnknown;
  std::uint64_t earlier_ = kUnknown;
  std::array<QuicClock::Stamp, 16> repeats_{};
  std::uint64_t repeat_count_ = 0;
};

}  // namespace p2pd::net
