// The latest records of the log, for a report of what happened before somebody asked: of the level that is
// logged and of finer ones alike. Debug records have a part of their own, so that they cannot push out the
// few that matter. Bounded in records and in the length of each. A plain object; its user locks.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace p2pd::base::log {

class Ring {
 public:
  // A longer record is cut.
  static constexpr std::size_t kMaxText = 1024;

  // `records` of each part.
  explicit Ring(std::size_t records) : records_(records) {}

  void push(WallTime time, Level level, std::string_view text);
  // The latest `limit` of `level` and what is more severe, in the order in which they came.
  [[nodiscard]] std::vector<Record> latest(Level level, std::size_t limit) const;

 private:
  struct Entry {
    std::uint64_t number = 0;
    Record record;
  };

  const std::size_t records_;
  std::uint64_t next_ = 0;
  std::deque<Entry> debug_;
  std::deque<Entry> others_;
};

}  // namespace p2pd::base::log
