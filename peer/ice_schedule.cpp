#include "peer/ice_schedule.hpp"

#include <algorithm>
#include <array>

namespace p2pd::peer {

using std::chrono::seconds;

base::Duration IceSchedule::next() {
  static constexpr std::array kFirst{seconds(0), seconds(3), seconds(6), seconds(12)};
  static constexpr seconds kSlow{60};
  static constexpr seconds kSlowest{300};
  static constexpr unsigned kDoublings = 3;  // 60, 120, 240, then the cap

  const unsigned step = tries_;
  // The schedule is flat from here on; counting further could only overflow.
  tries_ = std::min<unsigned>(tries_ + 1, kFirst.size() + kDoublings);
  if (step < kFirst.size()) return kFirst[step];
  return std::min(kSlow * (1U << (step - kFirst.size())), kSlowest);
}

}  // namespace p2pd::peer
