#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "peer/peer_error.hpp"
#include "peer/peer_impl.hpp"

namespace p2pd::peer {

using namespace std::chrono_literals;
namespace log = base::log;

namespace {

constexpr base::Duration kHandshakeTimeout = 5s;
constexpr base::Duration kKeepTimeout = 10s;
// Past the heartbeat (15 s at most) and a blackout that must not end anything (9 s): asked then, it answers.
constexpr base::Duration kSuspectSilence = 25s;
// Past the blackout alone: something waits for an answer.
constexpr base::Duration kSuspectWait = 15s;
constexpr base::Duration kDeadSilence = 30s;
constexpr base::Duration kCheckWindow = 500ms;
constexpr unsigned kCheckExtensions = 3;
// The far end's late packets find an answer for so long (RFC 9000 10.2: three probe timeouts).
constexpr base::Duration kLinger = 3s;
constexpr std::size_t kMaxLingering = 4;
constexpr int kSettleRounds = 8;
constexpr std::uint64_t kCheckBit = 1ULL << 63;  // keeps checks' ping IDs apart from users'

}  // namespace

// --- turns ---

void Peer::Impl::leave() {
  if (depth_ == 1) settle();
  --depth_;
}

void Peer::Impl::leave_unflushed() { --depth_; }

void Peer::Impl::settle() {
  more_ = true;
  for (int round = 0; more_ && round < kSettleRounds; ++round) {
    again_ = false;
    drop_needless_dial();
    start_services();
    // By index: what a flush sets off may add connections.
    for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i].session->flush();
    more_ = again_;
  }
  reap();
  update_deadline();
  path_clock_.move_to(current_ == nullptr ? std::nullopt : std::optional(current_->path()), now());
  tell_why_not_direct();
  if (shut_down_) end_shut_down();
}

// A second dial was made because the connection seemed dead, and it is not.
void Peer::Impl::drop_needless_dial() {
  if (current_ == nullptr) return;
  const Session* dialled = pending(true);
  if (dialled == nullptr || now() - current_->silent() <= dialled->began_at()) return;
  if (may_abandon_dial(role_, dialled->heard())) {
    log::debug("peer", "second dial dropped: the connection lives", {{"peer", config_.peer}});
    abandon_dials(current_);
  }
}

void Peer::Impl::reap() {
  std::size_t lingering = 0;
  for (auto it = connections_.rbegin(); it != connections_.rend(); ++it) {
    if (it->session->stage() == Session::Stage::closed) ++lingering;
  }
  std::erase_if(connections_, [&](const Connection& connection) {
    const Session& session = *connection.session;
    if (session.stage() != Session::Stage::closed) return false;
    const bool over = shut_down_ || session.name().empty() || lingering > kMaxLingering ||
                      now() - session.stage_since() >= kLinger;
    if (over) --lingering;
    return over;
  });
  std::erase_if(retired_, [](const RetiredAgent& retired) { return retired.stopped; });
}

void Peer::Impl::update_deadline() {
  base::TimePoint due = more_ ? now() : base::kNever;
  due = std::min(due, back_off_until_);
  for (const Connection& connection : connections_) {
    const Session& session = *connection.session;
    due = std::min(due, session.deadline());
    if (session.stage() == Session::Stage::handshaking) {
      due = std::min(due, session.stage_since() + kHandshakeTimeout);
    } else if (session.stage() == Session::Stage::confirmed) {
      due = std::min(due, session.stage_since() + kKeepTimeout);
    } else if (session.stage() == Session::Stage::closed) {
      due = std::min(due, session.stage_since() + kLinger);
    }
  }
  for (const Ping& ping : pings_) due = std::min(due, ping.expires);
  if (check_) due = std::min(due, check_->until);
  if (current_ != nullptr) {
    const base::TimePoint heard = now() - current_->silent();
    due = std::min(due, heard + kDeadSilence);
    base::TimePoint suspect = heard + kSuspectSilence;
    const base::Duration waiting = current_->waiting();
    if (waiting > 0s) suspect = std::min(suspect, now() - waiting + kSuspectWait);
    due = std::min(due, std::max(suspect, suspect_after_));
  }
  if (due == deadline_) return;
  deadline_ = due;
  host_.deadline_changed(due);
}

// --- time ---

void Peer::Impl::on_time() {
  const Turn turn(*this);
  if (shut_down_) return;
  for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i].session->on_time();
  time_out_sessions();
  time_out_pings();
  watch_current();
  if (now() >= back_off_until_) {
    back_off_until_ = base::kNever;
    apply(BackoffOver{});
  }
}

void Peer::Impl::time_out_sessions() {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    Session& session = *connections_[i].session;
    const base::Duration age = now() - session.stage_since();
    if (session.stage() == Session::Stage::handshaking && age >= kHandshakeTimeout) {
      session.close(net::CloseCode::none, "timed out");
      if (session.dialled()) dial_failed("timeout", "the peer did not answer within 5 s");
    } else if (session.stage() == Session::Stage::confirmed && age >= kKeepTimeout) {
      session.close(net::CloseCode::superseded, "not kept");
      if (session.dialled()) dial_failed("not_kept", "the peer answered but did not keep the connection");
    }
  }
}

void Peer::Impl::time_out_pings() {
  for (auto it = pings_.begin(); it != pings_.end();) {
    if (now() < it->expires) {
      ++it;
      continue;
    }
    const auto done = std::move(it->done);
    it = pings_.erase(it);
    done(base::Error(make_error_code(PeerError::timed_out)));
  }
}

void Peer::Impl::start_check() {
  if (current_ == nullptr) return;
  const base::Duration window = std::max<base::Duration>(kCheckWindow, 4 * current_->rtt().value_or(0s));
  check_ = Check{kCheckBit | next_ping_++, now(), now() + window, 0};
  current_->ping(check_->id);
}

void Peer::Impl::watch_current() {
  if (current_ == nullptr) return;
  const base::Duration silent = current_->silent();
  if (silent >= kDeadSilence) {
    Session& dead = *std::exchange(current_, nullptr);
    dead.close(net::CloseCode::none, "all paths are silent");
    return lost("peer_gone", "nothing was heard from the peer for 30 s on any path", false);
  }
  const bool suspect = silent >= kSuspectSilence || current_->waiting() >= kSuspectWait;
  if (suspect && now() >= suspect_after_) {
    suspect_after_ = now() + kSuspectWait;
    start_check();
  }
  if (!check_ || now() < check_->until) return;
  const base::Duration window = check_->until - check_->asked;
  if (silent >= window) {
    check_.reset();
    log::debug("peer", "no answer on the connection", {{"peer", config_.peer}});
    apply(Suspected{"no_answer"});
  } else if (++check_->extended > kCheckExtensions) {
    check_.reset();  // no pong yet, but it is there
  } else {
    check_->asked = now();
    check_->until = now() + window;
  }
}

// --- what sessions need ---

std::unique_ptr<net::Ice> Peer::Impl::make_ice(net::IceEvents& events) {
  return host_.make_ice(events, config_.worked_before);
}

void Peer::Impl::retire_ice(std::unique_ptr<net::Ice> agent) {
  retired_.push_back({std::move(agent), false});
  RetiredAgent& retired = retired_.back();
  retired.agent->stop([this, &retired, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    const Turn turn(*this);
    retired.stopped = true;
  });
}

void Peer::Impl::count_sent(PathKind path, std::size_t bytes) {
  bytes_[static_cast<std::size_t>(path)].tx += bytes;
}

void Peer::Impl::count_received(PathKind path, std::size_t bytes) {
  bytes_[static_cast<std::size_t>(path)].rx += bytes;
}

// --- the end ---

void Peer::Impl::shut_down(net::CloseCode code, std::function<void()> done) {
  on_shut_down_ = std::move(done);
  const Turn turn(*this);
  fail_pings(PeerError::cancelled);
  fail_services(StreamEnding::stopping);
  tell_quality();
  close_all(code, code == net::CloseCode::shutdown ? "the daemon stops" : "the peer was dropped");
  back_off_until_ = base::kNever;
  shut_down_ = true;
}

void Peer::Impl::end_shut_down() {
  if (connections_.empty() && retired_.empty() && on_shut_down_) std::exchange(on_shut_down_, nullptr)();
}

}  // namespace p2pd::peer
