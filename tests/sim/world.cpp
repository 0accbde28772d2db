#include "tests/sim/world.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace p2pd::sim {

void World::at(base::TimePoint time, std::function<void()> what) {
  items_.push({std::max(time, now_), order_++, std::move(what)});
}

bool World::run(base::Duration limit, const std::function<bool()>& done) {
  const base::TimePoint end = now_ + limit;
  if (done && done()) return true;
  while (!failed() && !items_.empty() && items_.top().time <= end) {
    // priority_queue gives no way to move out of it.
    const std::function<void()> what = std::move(const_cast<Item&>(items_.top()).what);
    now_ = items_.top().time;
    items_.pop();
    what();
    if (done && done()) return !failed();
  }
  if (!failed()) now_ = end;
  return false;
}

void World::fail(std::string what) {
  if (failure_.empty()) failure_ = fmt::format("at {:.3f} ms: {}", ms(), what);
}

}  // namespace p2pd::sim
