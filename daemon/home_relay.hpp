// Which of the configured relays is home: the one that peers are told of first. The quickest, but not at
// once: another one must be quicker by 5 ms and by a tenth for 10 s, so that two of about the same distance
// do not take turns. A home that went offline is left at once. Pure; times are handed in.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/clock.hpp"

namespace p2pd::daemon {

class HomeRelay {
 public:
  struct Candidate {
    std::string url;
    bool online = false;
    std::optional<base::Duration> rtt;
  };

  // In the order of configuration, which decides between those that nothing else tells apart. True when
  // another one is home now. While none is online the last one stays.
  bool update(std::span<const Candidate> relays, base::TimePoint now);
  // Empty before the first relay came online.
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  bool move_to(const std::string& url);

  std::string url_;
  std::string rival_;  // quicker than home, since:
  base::TimePoint since_{};
};

}  // namespace p2pd::daemon
