#include "daemon/home_relay.hpp"

#include <algorithm>
#include <chrono>

namespace p2pd::daemon {
namespace {

using Candidate = HomeRelay::Candidate;

constexpr auto kQuicker = std::chrono::milliseconds(5);
constexpr auto kFor = std::chrono::seconds(10);

// Offline ones last, then those whose round trip is not known yet.
bool before(const Candidate& a, const Candidate& b) {
  if (a.online != b.online) return a.online;
  if (a.rtt.has_value() != b.rtt.has_value()) return a.rtt.has_value();
  return a.rtt && *a.rtt < *b.rtt;
}

bool clearly_quicker(const Candidate& rival, const Candidate& home) {
  if (!rival.online || !rival.rtt || !home.rtt) return false;
  return *home.rtt - *rival.rtt >= std::max<base::Duration>(kQuicker, *home.rtt / 10);
}

}  // namespace

bool HomeRelay::move_to(const std::string& url) {
  rival_.clear();
  if (url == url_) return false;
  url_ = url;
  return true;
}

bool HomeRelay::update(std::span<const Candidate> relays, base::TimePoint now) {
  const auto best = std::min_element(relays.begin(), relays.end(), before);
  if (best == relays.end() || !best->online) {
    rival_.clear();
    return false;
  }
  const auto home =
      std::find_if(relays.begin(), relays.end(), [this](const Candidate& one) { return one.url == url_; });
  if (home == relays.end() || !home->online) return move_to(best->url);
  if (!clearly_quicker(*best, *home)) {
    rival_.clear();
    return false;
  }
  if (rival_ != best->url) {
    rival_ = best->url;
    since_ = now;
  }
  return now - since_ >= kFor && move_to(best->url);
}

}  // namespace p2pd::daemon
