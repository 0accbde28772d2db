#include "base/log_ring.hpp"

#include <algorithm>

namespace p2pd::base::log {

void Ring::push(WallTime time, Level level, std::string_view text) {
  auto& part = level == Level::debug ? debug_ : others_;
  if (part.size() >= records_) part.pop_front();
  const bool cut = text.size() > kMaxText;
  std::string kept(text.substr(0, kMaxText));
  if (cut) kept += "...";
  part.push_back({next_++, {time, level, std::move(kept)}});
}

std::vector<Record> Ring::latest(Level level, std::size_t limit) const {
  std::vector<Record> out;
  auto debug = debug_.rbegin();
  auto other = others_.rbegin();
  while (out.size() < limit) {
    const bool has_debug = level == Level::debug && debug != debug_.rend();
    const bool has_other = other != others_.rend();
    if (!has_debug && !has_other) break;
    if (has_debug && (!has_other || debug->number > other->number)) {
      out.push_back((debug++)->record);
      continue;
    }
    if (other->record.level <= level) out.push_back(other->record);
    ++other;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace p2pd::base::log
