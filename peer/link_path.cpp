#include "peer/link_path.hpp"

#include <algorithm>

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kRelayPayload = 16'000;
constexpr milliseconds kAssumedRoundTrip{250};  // before the first sample
constexpr milliseconds kLeastSuspectAfter{250};
constexpr milliseconds kLeastDeadAfter{750};
constexpr seconds kAnswerGrace{2};
constexpr seconds kHeartbeat{5};
constexpr seconds kStandbyHeartbeat{30};
// Of a connection that has carried nothing for as long as kPathIdle. RFC 8445 section 11 wants a NAT to see a
// packet every 15 s; what is sent first after the silence is watched like any other.
constexpr seconds kPathIdle{30};
constexpr seconds kIdleHeartbeat{15};
constexpr seconds kIdleStandbyHeartbeat{60};
constexpr milliseconds kClimbInterval{150};
constexpr milliseconds kClimbSpan{300};
constexpr unsigned kClimbAnswers = 3;
constexpr milliseconds kFirstRetry{50};
constexpr milliseconds kFirstDeadInterval{250};
// RFC 7675 5.1: who has not proved for so long that it wants packets at an address gets none there.
constexpr seconds kConsent{30};
constexpr seconds kSlowestProbing{5};
constexpr seconds kSlowestInBlackout{1};
constexpr minutes kDemotionMemory{5};
constexpr std::size_t kDemotionsToBar = 3;
constexpr minutes kBar{10};
// hasten() is also called for each packet that comes in on a path we left: this bounds what that costs.
constexpr milliseconds kHastenSpacing{200};

// 50, 50, 100, 200, 400 ms... after the first, second, third probe of a path that never answered.
base::Duration probing_interval(unsigned tries) {
  const unsigned doublings = std::min(tries <= 2 ? 0U : tries - 2, 10U);
  return std::min<base::Duration>(kFirstRetry * (1U << doublings), kSlowestProbing);
}

// A few in quick succession, then ten a second, until the path is dead or alive again.
base::Duration suspect_interval(unsigned tries) { return tries <= 2 ? kFirstRetry : kFirstRetry * 2; }

}  // namespace

LinkPath::LinkPath(PathKind kind, base::TimePoint now)
    : kind_(kind), in_use_since_(now), last_probe_(now), evidence_at_(now) {
  stats_.payload_size = payload();
}

void LinkPath::available(base::TimePoint now) {
  round_trip_is_old_ = true;
  // A second relay session changes nothing; another ICE pair is another path.
  if (kind_ != PathKind::relay && in_use_) size_.start(now);
  if (state() == PathState::alive || state() == PathState::suspect) {
    hasten(now);
    return;
  }
  if (state() == PathState::down) {
    evidence_at_ = now;
    unanswered_since_.reset();
  }
  become(PathState::probing);
  probe_now_ = true;
}

void LinkPath::lost() {
  become(PathState::down);
  steady_ = false;
  unanswered_since_.reset();
  sent_ = {};
  size_.stop();
}

void LinkPath::take_over(base::TimePoint now) {
  available(now);
  if (state() == PathState::probing) become_suspect(now);
}

void LinkPath::network_changed(base::TimePoint now) {
  demotions_.clear();
  barred_until_ = base::TimePoint::min();
  if (state() == PathState::down) return;
  round_trip_is_old_ = true;
  if (kind_ != PathKind::relay && in_use_) size_.start(now);
  tries_ = 0;
  probe_now_ = true;
}

void LinkPath::enter_use(base::TimePoint now) {
  in_use_ = true;
  in_use_since_ = now;
  unanswered_since_.reset();
  if (kind_ != PathKind::relay) size_.start(now);
}

void LinkPath::leave_use() {
  in_use_ = false;
  unanswered_since_.reset();
  size_.stop();
}

void LinkPath::demoted(base::TimePoint now) {
  ++stats_.demotions;
  steady_ = false;
  if (kind_ == PathKind::relay) return;  // there is nothing below it to be kept on
  must_climb_ = true;
  demotions_.push_back(now);
  if (recent_demotions(now) < kDemotionsToBar) {
    if (demotions_.size() > kDemotionsToBar) demotions_.erase(demotions_.begin());
    return;
  }
  demotions_.clear();
  barred_until_ = now + kBar;
}

void LinkPath::condemn(base::TimePoint now) {
  if (state() == PathState::down) return;
  become(PathState::dead);
  last_probe_ = now;
}

void LinkPath::hasten(base::TimePoint now) {
  if (state() == PathState::down || now - last_probe_ < kHastenSpacing) return;
  probe_now_ = true;
}

void LinkPath::on_probed(base::TimePoint now, const Context& context) {
  if (state() != PathState::alive) return hasten(now);
  if (now - last_probe_ >= heartbeat(context) / 2) probe_now_ = true;
}

void LinkPath::on_quic(base::TimePoint now) {
  if (state() == PathState::down) return;
  note_evidence(now);
  // While copies go by the relay, an acknowledgement that came this way proves only the way in. It earns the
  // path more time to answer, which it may need where queues are long.
  if (state() == PathState::suspect) dead_at_ = std::max(dead_at_, suspect_since_ + kAnswerGrace);
}

bool LinkPath::on_answer(const proto::LinkNonce& nonce, std::size_t size, base::TimePoint now) {
  const auto probe =
      std::ranges::find_if(sent_, [&](const Sent& sent) { return sent.size == size && sent.nonce == nonce; });
  if (state() == PathState::down || size == 0 || probe == sent_.end()) return false;
  ++stats_.probes_answered;
  note_evidence(now);
  note_round_trip(now - probe->at);
  size_.on_answered(size, probe->at, now);
  if (state() != PathState::alive) become(PathState::alive);
  count_row(probe->serial, now);
  probe->size = 0;
  return true;
}

LinkPath::Change LinkPath::update(base::TimePoint now, const Context& context) {
  if (barred_until_ != base::TimePoint::min() && now >= barred_until_) {
    end_bar(now);
    return Change::state;
  }
  if (size_.expire(now, suspect_after())) return Change::black_hole;
  if (now < state_due(context)) return Change::none;
  if (state() == PathState::dead) return Change::expired;
  if (state() == PathState::suspect || climbing()) {
    become(PathState::dead);
    steady_ = false;
    return Change::died;
  }
  become_suspect(now);
  return Change::state;
}

std::optional<std::size_t> LinkPath::take_probe(base::TimePoint now, const Context& context) {
  if (now >= probe_due(context)) {
    // With the heartbeat too: traffic of the other end hides that our own full-size packets vanish.
    if (kind_ != PathKind::relay && watched(context)) size_.check(now, suspect_after());
    probe_now_ = false;
    last_probe_ = now;
    ++tries_;
    if (!unanswered_since_) unanswered_since_ = now;
    // What is to carry QUIC must carry its smallest full packet; a path in use is only asked for a sign of
    // life.
    const bool proving = kind_ != PathKind::relay && (state() == PathState::probing || climbing());
    return proving ? PacketSize::kBase : proto::kMinLinkFrame;
  }
  const auto sizing = size_.take_probe(now, suspect_after());
  // A full-size probe says something only beside a small one.
  if (sizing == size_.payload()) probe_now_ = last_probe_ != now;
  return sizing;
}

void LinkPath::probe_sent(const proto::LinkNonce& nonce, std::size_t size, base::TimePoint now) {
  ++stats_.probes_sent;
  const auto oldest = std::ranges::min_element(
      sent_, {}, [](const Sent& sent) { return sent.size == 0 ? base::TimePoint::min() : sent.at; });
  *oldest = {.nonce = nonce, .size = size, .serial = ++serial_, .at = now};
}

base::TimePoint LinkPath::deadline(const Context& context) const {
  base::TimePoint first = std::min(probe_due(context), state_due(context));
  if (barred_until_ != base::TimePoint::min()) first = std::min(first, barred_until_);
  return std::min(first, size_.deadline());
}

PathView LinkPath::view() const {
  return {.state = state(),
          .steady = steady_,
          .barred = barred_until_ != base::TimePoint::min(),
          .rtt = stats_.smoothed_rtt};
}

std::size_t LinkPath::payload() const { return kind_ == PathKind::relay ? kRelayPayload : size_.payload(); }

bool LinkPath::in_doubt() const {
  return state() == PathState::suspect || state() == PathState::dead || size_.in_doubt();
}

std::size_t LinkPath::recent_demotions(base::TimePoint now) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(demotions_, [&](base::TimePoint at) { return now - at < kDemotionMemory; }));
}

// Alive, but after a demotion not yet to be moved onto.
bool LinkPath::climbing() const { return state() == PathState::alive && !steady_ && !in_use_; }

// In use while QUIC waits: silence means something.
bool LinkPath::watched(const Context& context) const { return in_use_ && context.outstanding_since; }

base::TimePoint LinkPath::silent_since(const Context& context) const {
  return std::max({evidence_at_, in_use_since_, *context.outstanding_since});
}

base::Duration LinkPath::suspect_after() const {
  return std::max<base::Duration>(4 * stats_.smoothed_rtt.value_or(kAssumedRoundTrip), kLeastSuspectAfter);
}

// Six round trips leave a probe sent at suspect_after() the time for its answer; up to 125 ms it is 750 ms.
base::Duration LinkPath::dead_after() const {
  return std::max<base::Duration>(6 * stats_.smoothed_rtt.value_or(kAssumedRoundTrip), kLeastDeadAfter);
}

base::TimePoint LinkPath::probe_due(const Context& context) const {
  if (state() == PathState::down) return base::kNever;
  if (probe_now_) return base::TimePoint::min();
  switch (state()) {
    case PathState::probing:
      return last_probe_ + probing_interval(tries_);
    case PathState::suspect:
      return last_probe_ + suspect_interval(tries_);
    case PathState::dead:
      return last_probe_ + dead_interval(context);
    case PathState::alive:
    case PathState::down:
      break;
  }
  return alive_probe_due(context);
}

base::TimePoint LinkPath::alive_probe_due(const Context& context) const {
  if (climbing()) return last_probe_ + kClimbInterval;
  const base::Duration interval = heartbeat(context);
  base::TimePoint due = last_probe_ + interval;
  // On whole seconds one wake-up serves all idle peers of a thread.
  if (interval >= kIdleHeartbeat) due = std::chrono::floor<seconds>(due);
  if (unanswered_since_) {
    const base::TimePoint missed = *unanswered_since_ + suspect_after();
    if (last_probe_ < missed) due = std::min(due, missed);
  }
  if (watched(context)) {
    // Asked half-way to suspicion, a path that is merely quiet answers in time and nothing goes by the relay.
    const base::TimePoint quiet = silent_since(context) + suspect_after() / 2;
    if (last_probe_ < silent_since(context)) due = std::min(due, quiet);
  }
  return due;
}

base::Duration LinkPath::heartbeat(const Context& context) const {
  const bool idle = last_probe_ - context.last_quic >= kPathIdle;
  if (in_use_) return idle ? kIdleHeartbeat : kHeartbeat;
  return idle ? kIdleStandbyHeartbeat : kStandbyHeartbeat;
}

// When the state changes by itself.
base::TimePoint LinkPath::state_due(const Context& context) const {
  if (state() == PathState::suspect) return dead_at_;
  if (state() == PathState::dead) return kind_ == PathKind::relay ? base::kNever : evidence_at_ + kConsent;
  if (climbing()) return evidence_at_ + dead_after();
  base::TimePoint due = base::kNever;
  // Two misses.
  if (state() == PathState::alive && unanswered_since_) due = *unanswered_since_ + 2 * suspect_after();
  const bool judged = state() == PathState::alive || state() == PathState::probing;
  if (judged && watched(context)) due = std::min(due, silent_since(context) + suspect_after());
  return due;
}

base::Duration LinkPath::dead_interval(const Context& context) const {
  base::Duration slowest = kSlowestProbing;
  if (!context.any_alive && context.outstanding_since) {
    slowest = kSlowestInBlackout;
  } else if (!in_use_ && (kind_ == PathKind::relay || barred_until_ != base::TimePoint::min())) {
    slowest = kStandbyHeartbeat;
  }
  return std::min<base::Duration>(kFirstDeadInterval * (1U << std::min(tries_, 10U)), slowest);
}

void LinkPath::become(PathState state) {
  stats_.state = state;
  tries_ = 0;
  row_ = 0;
  probe_now_ = false;
}

void LinkPath::become_suspect(base::TimePoint now) {
  become(PathState::suspect);
  suspect_since_ = now;
  // Counted from now and not from the silence's start: after the whole process was held up, a path still gets
  // its chance to answer.
  dead_at_ = now + dead_after() - suspect_after();
  probe_now_ = last_probe_ != now;
}

void LinkPath::note_evidence(base::TimePoint now) {
  evidence_at_ = now;
  unanswered_since_.reset();
}

void LinkPath::note_round_trip(base::Duration sample) {
  if (round_trip_is_old_) {
    round_trip_is_old_ = false;
    stats_.smoothed_rtt = sample;
    stats_.min_rtt = sample;
    return;
  }
  stats_.min_rtt = std::min(*stats_.min_rtt, sample);
  stats_.smoothed_rtt = (7 * *stats_.smoothed_rtt + sample) / 8;  // RFC 6298 section 2
}

void LinkPath::count_row(std::uint64_t serial, base::TimePoint now) {
  if (!must_climb_) {
    steady_ = true;
    return;
  }
  if (row_ == 0 || serial != row_serial_ + 1) {
    row_ = 0;
    row_since_ = now;
  }
  ++row_;
  row_serial_ = serial;
  if (row_ < kClimbAnswers || now - row_since_ < kClimbSpan) return;
  steady_ = true;
  must_climb_ = false;
}

void LinkPath::end_bar(base::TimePoint now) {
  barred_until_ = base::TimePoint::min();
  tries_ = 0;
  if (state() == PathState::down) return;
  // What it answered while nobody needed it may be half a minute old.
  if (!in_use_) {
    steady_ = false;
    must_climb_ = true;
    evidence_at_ = now;
  }
  probe_now_ = true;
}

}  // namespace p2pd::peer
