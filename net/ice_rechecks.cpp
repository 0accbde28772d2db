#include "net/ice_rechecks.hpp"

#include <utility>

namespace p2pd::net {

std::array<std::chrono::microseconds, 4> recheck_delays(std::chrono::microseconds server_took) {
  using std::chrono::milliseconds;
  // Half of it is one way where the other end, the relay and the server are as far off as each other: the
  // time by which the way by the relay is longer than the direct one. Then once more for an other end that
  // takes its time, for one that is near, and for a relay that is far.
  return {server_took / 2 + milliseconds{1}, server_took / 2 + milliseconds{6},
          server_took + milliseconds{10}, server_took + milliseconds{100}};
}

IceRechecks::IceRechecks(boost::asio::io_context& io, std::function<void()> check)
    : timer_(io), check_(std::move(check)) {}

void IceRechecks::gathering() { asked_ = Clock::now(); }

void IceRechecks::ours_known() {
  if (answered_) return;
  answered_ = Clock::now();
  start_if_both();
}

void IceRechecks::theirs_known() {
  if (theirs_known_) return;
  theirs_known_ = true;
  start_if_both();
}

void IceRechecks::start_if_both() {
  if (!answered_ || !theirs_known_) return;
  both_known_ = Clock::now();
  wait();
}

void IceRechecks::wait() {
  const auto delays =
      recheck_delays(std::chrono::duration_cast<std::chrono::microseconds>(*answered_ - asked_));
  if (next_ == delays.size()) return;
  timer_.expires_at(both_known_ + delays[next_++]);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    check_();
    wait();
  });
}

void IceRechecks::stop() {
  next_ = recheck_delays({}).size();
  timer_.cancel();
}

}  // namespace p2pd::net
