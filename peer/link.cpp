#include "peer/link.hpp"

#include <algorithm>
#include <utility>

#include "net/crypto.hpp"
#include "proto/datagram.hpp"

namespace p2pd::peer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kKinds{PathKind::direct, PathKind::turn, PathKind::relay};
// The first send after a silence as long as that probes too.
constexpr seconds kIdle{5};
// 100, 200 and 400 ms after the one before.
constexpr unsigned kSwitchedRepeats = 3;
constexpr milliseconds kFirstRepeat{100};
constexpr std::size_t kFlapping = 2;  // demotions
// A probe waits so long for a path to answer it on; then the other end has sent another one.
constexpr milliseconds kEarlyProbe{50};

static_assert(static_cast<int>(PathKind::direct) == static_cast<int>(proto::LinkPath::direct));
static_assert(static_cast<int>(PathKind::turn) == static_cast<int>(proto::LinkPath::turn));
static_assert(static_cast<int>(PathKind::relay) == static_cast<int>(proto::LinkPath::relay));

proto::LinkPath to_wire(PathKind kind) { return static_cast<proto::LinkPath>(kind); }
PathKind from_wire(proto::LinkPath path) { return static_cast<PathKind>(path); }

auto mac_with(const std::array<std::uint8_t, 32>& key) {
  return [&key](base::ByteView data) { return net::hmac_sha256(key, data); };
}

}  // namespace

Link::Link(LinkSink& sink, base::TimePoint now, Random random)
    : sink_(sink),
      random_(std::move(random)),
      paths_{LinkPath(PathKind::direct, now), LinkPath(PathKind::turn, now), LinkPath(PathKind::relay, now)},
      last_quic_(now),
      last_received_(now) {
  at(PathKind::relay).available(now);
  at(PathKind::relay).enter_use(now);
}

void Link::set_keys(const LinkKeys& keys, base::TimePoint now) {
  keys_ = keys;
  for (LinkPath& path : paths_) {
    if (path.state() != PathState::down) path.available(now);
  }
  if (outstanding_since_) outstanding_since_ = now;
  settle(now);
}

void Link::path_available(PathKind kind, base::TimePoint now) {
  const bool was_down = at(kind).state() == PathState::down;
  at(kind).available(now);
  if (early_ && from_wire(early_->probe.path) == kind) {
    const Early early = *std::exchange(early_, std::nullopt);
    if (keys_ && now - early.at <= kEarlyProbe) answer(kind, early.probe, early.nonce);
  }
  // While the relay was away nothing could tell the other end where we are.
  if (keys_ && kind == PathKind::relay && was_down && switches_ != 0) send_switched();
  settle(now);
}

void Link::path_lost(PathKind kind, base::TimePoint now, std::string_view reason) {
  LinkPath& path = at(kind);
  if (path.state() == PathState::down) return;
  const bool was_dead = path.state() == PathState::dead;
  path.lost();
  // A dead path in use had its death counted.
  if (kind == path_ && !was_dead) path_died(path, now, reason);
  settle(now);
}

void Link::path_withdrawn(PathKind kind, base::TimePoint now, std::string_view reason) {
  LinkPath& path = at(kind);
  if (path.state() == PathState::down) return;
  path.lost();
  if (kind == path_) death_reason_ = reason;
  settle(now);
}

void Link::path_replaced(PathKind from, PathKind to, base::TimePoint now) {
  const PathState state = at(from).state();
  const bool carries = from == path_ && (state == PathState::alive || state == PathState::suspect);
  if (carries && from != to) {
    at(to).take_over(now);
    move_to(to, false, "another pair was selected", now);
  } else {
    at(to).available(now);
  }
  if (from != to) at(from).lost();
  settle(now);
}

void Link::network_changed(base::TimePoint now) {
  for (LinkPath& path : paths_) path.network_changed(now);
  settle(now);
}

void Link::receive(PathKind arrived_on, base::ByteView frame, base::TimePoint now) {
  if (!keys_) return;
  const auto opened = proto::open_link_frame(frame, mac_with(keys_->receive), seen_);
  if (!opened) return;
  last_received_ = now;
  at(arrived_on).stats().last_received = now;
  std::visit([&](const auto& body) { on_frame(arrived_on, body, opened->nonce, now); }, opened->body);
  settle(now);
}

void Link::on_frame(PathKind arrived_on, const proto::LinkProbe& probe, const proto::LinkNonce& nonce,
                    base::TimePoint now) {
  if (answer(arrived_on, probe, nonce) == net::SendOutcome::no_path)
    early_ = Early{.probe = probe, .nonce = nonce, .at = now};
  // The way in works: where the way out did not, perhaps it does again.
  at(arrived_on).on_probed(now, context());
}

net::SendOutcome Link::answer(PathKind path, const proto::LinkProbe& probe, const proto::LinkNonce& nonce) {
  return send(path, nonce, proto::LinkAnswer{.size_seen = probe.size, .path = probe.path});
}

void Link::on_frame(PathKind arrived_on, const proto::LinkAnswer& answer, const proto::LinkNonce& nonce,
                    base::TimePoint now) {
  // An answer that came another way, or is about another path, says nothing of this one.
  if (from_wire(answer.path) != arrived_on) return;
  LinkPath& path = at(arrived_on);
  const bool was_dead = path.state() == PathState::dead;
  if (!path.on_answer(nonce, answer.size_seen, now)) return;
  // What was sent into the silence is lost; waiting for QUIC's backed-off timer would be seconds.
  if (was_dead && arrived_on == path_) kick_ = true;
}

void Link::on_frame(PathKind, const proto::LinkSwitched& switched, const proto::LinkNonce&,
                    base::TimePoint now) {
  if (switched.number <= peer_switch_) return;
  peer_switch_ = switched.number;
  const PathKind now_on = from_wire(switched.path);
  if (now_on == PathKind::relay && path_ != PathKind::relay) {
    // Nobody goes down to the relay without need. Where only one direction died, we are the end that could
    // not see it.
    LinkPath& left = at(path_);
    const bool was_dead = left.state() == PathState::dead;
    left.condemn(now);
    if (!was_dead) path_died(left, now, "the other end left it");
    return;
  }
  at(now_on).hasten(now);
}

void Link::on_quic_received(PathKind arrived_on, std::size_t bytes, bool authenticated, base::TimePoint now) {
  if (!authenticated) return;
  last_quic_ = now;
  last_received_ = now;
  LinkPath& path = at(arrived_on);
  PathStats& stats = path.stats();
  stats.last_received = now;
  ++stats.datagrams_received;
  stats.bytes_received += bytes;
  path.on_quic(now);
  if (arrived_on != path_ && keys_ && at(path_).quiet(now)) {
    // The other end sends elsewhere and our path says nothing: perhaps its `switched` was lost.
    at(path_).hasten(now);
    settle(now);
  }
}

void Link::on_quic_sent(PathKind kind, std::size_t bytes, net::SendOutcome outcome, base::TimePoint now) {
  LinkPath& path = at(kind);
  const bool after_idle = now - last_quic_ > kIdle;
  last_quic_ = now;
  if (outcome == net::SendOutcome::sent) {
    ++path.stats().datagrams_sent;
    path.stats().bytes_sent += bytes;
  }
  const bool too_big = outcome == net::SendOutcome::too_big && kind != PathKind::relay;
  if (too_big) {
    if (path.on_too_big(bytes, now)) {
      kick_ = true;
    } else if (bytes <= PacketSize::kBase && path.state() != PathState::dead) {
      path.condemn(now);
      if (kind == path_) path_died(path, now, "packets of the least size do not fit");
    }
  }
  if (after_idle && keys_) at(path_).hasten(now);
  if (too_big || after_idle) settle(now);
}

void Link::set_outstanding(bool outstanding, base::TimePoint now) {
  if (outstanding == outstanding_since_.has_value()) return;
  outstanding_since_ = outstanding ? std::optional(now) : std::nullopt;
}

Link::Route Link::route() const {
  Route route{.primary = path_, .also = std::nullopt};
  const bool copy = path_ != PathKind::relay && at(path_).in_doubt();
  if (copy && at(PathKind::relay).state() != PathState::down) route.also = PathKind::relay;
  return route;
}

std::size_t Link::packet_size() const {
  // The relay takes more than any path beside it.
  return at(path_).payload() - proto::kQuicPrefixSize;
}

PathKind Link::path() const { return path_; }

WhyNotDirect Link::flapping(base::TimePoint now) const {
  const LinkPath& direct = at(PathKind::direct);
  if (path_ == PathKind::direct) return WhyNotDirect::none;
  if (direct.barred(now)) return WhyNotDirect::cooldown;
  return direct.recent_demotions(now) >= kFlapping ? WhyNotDirect::path_flapping : WhyNotDirect::none;
}

base::Duration Link::all_paths_silent(base::TimePoint now) const { return now - last_received_; }

base::Duration Link::waiting(base::TimePoint now) const {
  return outstanding_since_ ? now - std::max(*outstanding_since_, last_received_) : base::Duration::zero();
}

const PathStats& Link::stats(PathKind kind) const { return at(kind).stats(); }

std::uint64_t Link::switches() const { return switches_; }

base::TimePoint Link::deadline() const {
  if (!keys_) return base::kNever;
  base::TimePoint first = repeat_at_;
  const LinkPath::Context known = context();
  for (const LinkPath& path : paths_) first = std::min(first, path.deadline(known));
  return first;
}

void Link::on_time(base::TimePoint now) { settle(now); }

LinkPath::Context Link::context() const {
  return {.outstanding_since = outstanding_since_,
          .any_alive = std::ranges::any_of(
              paths_, [](const LinkPath& path) { return path.state() == PathState::alive; }),
          .last_quic = last_quic_};
}

void Link::settle(base::TimePoint now) {
  if (keys_) {
    do {
      update_paths(now);
    } while (choose_path(now));
    send_due(now);
  }
  for (LinkPath& path : paths_) path.stats().payload_size = path.payload();
  tell_sink();
}

void Link::update_paths(base::TimePoint now) {
  for (LinkPath& path : paths_) {
    for (;;) {
      const PathState before = path.state();
      const LinkPath::Change change = path.update(now, context());
      if (change == LinkPath::Change::none) break;
      if (change == LinkPath::Change::black_hole) kick_ = true;
      if (change == LinkPath::Change::expired) {
        path.lost();
        expired_ = path.kind();
      }
      if (change == LinkPath::Change::died && path.kind() == path_) path_died(path, now, "silent");
      // In doubt about one, ask the others whether they would do.
      if (path.state() == PathState::suspect && before != PathState::suspect && path.kind() == path_) {
        for (LinkPath& other : paths_) other.hasten(now);
      }
    }
  }
}

void Link::path_died(LinkPath& path, base::TimePoint now, std::string_view reason) {
  path.demoted(now);
  death_reason_ = reason;
}

bool Link::choose_path(base::TimePoint now) {
  PathViews views;
  std::ranges::transform(paths_, views.begin(), &LinkPath::view);
  const PathKind chosen = select_path(views, path_);
  if (chosen == path_) return false;

  const PathState state = at(path_).state();
  const bool died = state == PathState::dead || state == PathState::down;
  std::string_view reason = chosen < path_ ? "probes answered" : "quicker";
  if (at(path_).barred(now)) reason = "cooling down";
  move_to(chosen, died, died ? death_reason_ : reason, now);
  return true;
}

void Link::move_to(PathKind chosen, bool died, std::string_view reason, base::TimePoint now) {
  const PathKind left = std::exchange(path_, chosen);
  at(left).leave_use();
  at(chosen).enter_use(now);
  ++switches_;
  if (died) kick_ = true;
  notice_ = Notice{.from = notice_ ? notice_->from : left, .to = chosen, .reason = std::string(reason)};
  send_switched();
  repeats_left_ = died ? kSwitchedRepeats : 0;
  repeat_at_ = died ? now + kFirstRepeat : base::kNever;
}

void Link::send_due(base::TimePoint now) {
  if (now >= repeat_at_) repeat_switched(now);
  for (LinkPath& path : paths_) {
    while (const auto size = path.take_probe(now, context())) send_probe(path, *size, now);
  }
}

void Link::send_probe(LinkPath& path, std::size_t size, base::TimePoint now) {
  proto::LinkNonce nonce;
  random_(nonce);
  path.probe_sent(nonce, size, now);
  const net::SendOutcome outcome =
      send(path.kind(), nonce,
           proto::LinkProbe{.size = static_cast<std::uint16_t>(size), .path = to_wire(path.kind())});
  if (outcome == net::SendOutcome::too_big && path.on_too_big(size, now)) kick_ = true;
}

void Link::send_switched() {
  proto::LinkNonce nonce;
  random_(nonce);
  const proto::LinkSwitched switched{.path = to_wire(path_), .number = switches_};
  for (const PathKind kind : kKinds) {
    if (kind != path_ && kind != PathKind::relay) continue;
    if (at(kind).state() != PathState::down) static_cast<void>(send(kind, nonce, switched));
  }
}

void Link::repeat_switched(base::TimePoint now) {
  send_switched();
  --repeats_left_;
  repeat_at_ =
      repeats_left_ == 0 ? base::kNever : now + kFirstRepeat * (1U << (kSwitchedRepeats - repeats_left_));
}

net::SendOutcome Link::send(
    PathKind path, const proto::LinkNonce& nonce,
    const std::variant<proto::LinkProbe, proto::LinkAnswer, proto::LinkSwitched>& body) {
  const proto::LinkFrame frame{.counter = ++counter_, .nonce = nonce, .body = body};
  return sink_.send_frame(path, proto::seal_link_frame(frame, mac_with(keys_->send)));
}

// Whatever the sink does in return finds nothing half done.
void Link::tell_sink() {
  const auto notice = std::exchange(notice_, std::nullopt);
  const bool kick = std::exchange(kick_, false);
  const auto expired = std::exchange(expired_, std::nullopt);
  if (notice && notice->from != notice->to) sink_.on_path_changed(notice->from, notice->to, notice->reason);
  if (kick) sink_.kick_quic();
  if (expired) sink_.on_path_expired(*expired);
}

}  // namespace p2pd::peer
