// When the first checks to a peer's reflexive addresses are sent once more. One that reaches the other end's
// NAT before that end has sent to our address is not let in, and libnice repeats it no sooner than after
// 500 ms (RFC 8445 14.3). The other end sends as soon as our reflexive address has been signalled to it; how
// long that takes is unknown, but it is much like the time the STUN server's answer took.
// Private to net/, on its io_context's thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace p2pd::net {

// After both sides' reflexive addresses are known, in ascending order. `server_took`: from the question to
// the STUN server's answer.
std::array<std::chrono::microseconds, 4> recheck_delays(std::chrono::microseconds server_took);

class IceRechecks {
 public:
  // `check` is called at each of the moments, from a handler, until stop() or the destruction.
  IceRechecks(boost::asio::io_context& io, std::function<void()> check);

  void gathering();
  // Each counts the first time. Ours: also when it has turned out that there is none to tell.
  void ours_known();
  void theirs_known();
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void start_if_both();
  void wait();

  boost::asio::steady_timer timer_;
  const std::function<void()> check_;
  Clock::time_point asked_;
  std::optional<Clock::time_point> answered_;
  bool theirs_known_ = false;
  Clock::time_point both_known_;
  std::size_t next_ = 0;  // of the moments
};

}  // namespace p2pd::net
