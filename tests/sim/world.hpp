// The simulation's time, chance and order of events: one queue, one seed. What is scheduled at the same time
// runs in the order it was scheduled in, so a seed is a whole history.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace p2pd::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // In [0, 1).
  double unit() { return std::uniform_real_distribution<double>(0, 1)(engine_); }
  bool chance(double probability) { return unit() < probability; }
  // Both ends included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(engine_);
  }
  base::Duration between(base::Duration low, base::Duration high) {
    return base::Duration(static_cast<base::Duration::rep>(
        between(static_cast<std::uint64_t>(low.count()), static_cast<std::uint64_t>(high.count()))));
  }
  std::uint64_t next() { return engine_(); }
  void fill(std::span<std::uint8_t> out) {
    for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] base::TimePoint now() const { return now_; }
  // Milliseconds since the beginning, for messages.
  [[nodiscard]] double ms() const { return base::to_ms(now_ - base::TimePoint(kStart)); }
  void at(base::TimePoint time, std::function<void()> what);
  void after(base::Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

  // Runs events until `done` says so (true) or `limit` has passed (false; the clock then stands at it), or a
  // failure was noted (false).
  bool run(base::Duration limit, const std::function<bool()>& done = {});

  // The first thing found wrong; later ones are mostly its consequences.
  void fail(std::string what);
  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }

  Random random;

 private:
  static constexpr base::Duration kStart = std::chrono::hours(1);

  struct Item {
    base::TimePoint time;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Item& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };
  base::TimePoint now_{kStart};
  std::uint64_t order_ = 0;
  std::priority_queue<Item> items_;
  std::string failure_;
};

}  // namespace p2pd::sim
