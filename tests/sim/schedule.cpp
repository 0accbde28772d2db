#include "tests/sim/schedule.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"
#include "tests/sim/streams.hpp"

namespace p2pd::sim {

using namespace std::chrono_literals;

namespace {

// Made once: key generation is no part of what is tried here.
std::shared_ptr<const net::Identity> identity(std::size_t side) {
  static const auto both = [] {
    std::array made{net::Identity::generate(), net::Identity::generate()};
    if (made[1]->id() < made[0]->id()) std::swap(made[0], made[1]);
    return made;
  }();
  return both[side];
}

constexpr double kWithStreams = 0.25;

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : pair_(seed) {
    Random random(~seed);
    if (random.chance(kWithStreams)) {
      streams_.emplace(world_, pair_.a, pair_.b, random.next());
    }
  }

  std::string run();

 private:
  // Chaos.
  void choose_network();
  void plan();
  void plan_one(Node& node, base::Duration when);
  void restart(Node& node, base::Duration down);
  void drop_relay(Node& node, base::Duration down);
  void cut(PathModel& path, std::size_t direction, base::Duration length);
  void disturb(Node& node);
  void calm();

  // Promises.
  void expect_connected();
  void expect_delivered();
  void expect_direct();
  void expect_quiet_relay();
  void expect_streams_over();
  void expect_streams_to_last();
  void expect_restart_told();
  void expect_idle();

  [[nodiscard]] std::string states();
  [[nodiscard]] Node& any() { return pair_.node(random_.between(0, 1)); }
  void at(base::Duration when, std::function<void()> what) { world_.after(when, std::move(what)); }

  Pair pair_;
  World& world_ = pair_.world;
  Network& network_ = pair_.network;
  Random& random_ = pair_.world.random;
  std::optional<Streams> streams_;
  base::Duration chaos_{};
  bool direct_possible_ = true;
  double calm_loss_ = 0;
};

// --- chaos ---

void Schedule::choose_network() {
  network_.relay.latency = random_.between(2ms, 80ms);
  network_.relay.ordered = random_.chance(0.7);
  network_.relay.jitter = random_.between(0ms, 20ms);
  network_.direct.latency = random_.between(1ms, 40ms);
  network_.direct.jitter = random_.between(0ms, 15ms);
  network_.direct.mtu = random_.chance(0.2) ? 1'280 : 1'472;
  calm_loss_ = random_.chance(0.5) ? 0 : 0.01;
  const double loss = random_.chance(0.4) ? 0 : random_.unit() * 0.15;
  network_.relay.loss = network_.direct.loss = loss;
  network_.relay.duplicates = network_.direct.duplicates = random_.chance(0.3) ? 0.05 : 0;
  network_.relayed_pairs = random_.chance(0.05);
  direct_possible_ = random_.chance(0.8);
  network_.direct.up = {direct_possible_, direct_possible_};
  if (random_.chance(0.04)) any().direct_allowed = false;
  if (random_.chance(0.1)) any().presence = false;
  for (std::size_t i = 0; i < 2; ++i) {
    pair_.node(i).wanted = random_.chance(0.5);
    pair_.node(i).store_full = random_.chance(0.1) ? 0.3 : 0;
    pair_.node(i).store_broken = random_.chance(0.1) ? 0.2 : 0;
  }
}

void Schedule::restart(Node& node, base::Duration down) {
  node.kill();
  at(down, [this, &node] {
    node.start();
    at(random_.between(1ms, 300ms), [&node] { node.set_relay_online(true); });
  });
}

void Schedule::drop_relay(Node& node, base::Duration down) {
  node.set_relay_online(false);
  at(down, [&node] { node.set_relay_online(true); });
}

void Schedule::cut(PathModel& path, std::size_t direction, base::Duration length) {
  path.up[direction] = false;
  // What the direct path is at the end of it all is calm()'s.
  at(length, [this, &path, direction] { path.up[direction] = &path == &network_.relay || direct_possible_; });
}

void Schedule::plan_one(Node& node, base::Duration when) {
  at(when, [this, &node] { disturb(node); });
}

void Schedule::disturb(Node& node) {
  switch (random_.between(0, 15)) {
    case 0:
    case 1:
      return node.connect();
    case 2:
      return random_.chance(0.3) ? node.disconnect() : node.connect();
    case 3:
      return restart(node, random_.between(0ms, 1500ms));
    case 4:
      return drop_relay(node, random_.between(10ms, 1500ms));
    case 5: {  // the relay restarts
      drop_relay(pair_.a, random_.between(200ms, 1500ms));
      return drop_relay(pair_.b, random_.between(200ms, 1500ms));
    }
    case 6:
      return cut(network_.relay, random_.between(0, 1), random_.between(50ms, 4000ms));
    case 7:
      return cut(network_.direct, random_.between(0, 1), random_.between(50ms, 6000ms));
    case 8: {  // total blackout
      const base::Duration length = random_.between(100ms, 9000ms);
      for (std::size_t side : {0U, 1U}) {
        cut(network_.relay, side, length);
        cut(network_.direct, side, length);
      }
      return;
    }
    case 9:
      if (node.running()) node.peer().on_network_changed();
      return;
    case 10:
      return node.replay_old_datagram();
    case 11: {  // both ends at once
      pair_.a.connect();
      return pair_.b.connect();
    }
    case 12:
      return node.ping();
    case 13:
      return node.send_message(random_.chance(0.05) ? random_.between(50'000, 700'000) : 2'000);
    default:
      return node.send_message(random_.between(0, 200));
  }
}

void Schedule::plan() {
  chaos_ = random_.between(200ms, 8000ms);
  const std::uint64_t disturbances = random_.between(1, 10);
  for (std::uint64_t i = 0; i < disturbances; ++i) plan_one(any(), random_.between(0ms, chaos_));
  for (std::size_t i : {0U, 1U}) {
    Node& node = pair_.node(i);
    at(random_.between(0ms, 200ms), [&node] { node.start(); });
    at(random_.between(200ms, 500ms), [&node] { node.set_relay_online(true); });
  }
  for (std::uint64_t i = streams_ ? streams_->random.between(1, 4) : 0; i > 0; --i) {
    at(streams_->random.between(0ms, chaos_), [this] { streams_->open(false); });
  }
  // Long enough for ICE to fail, more than once.
  if (random_.chance(0.2)) {
    chaos_ += random_.between(8s, 30s);
    network_.direct.up = {false, false};
  }
}

// The network is as good as it gets, both machines are up, and somebody wants the other.
void Schedule::calm() {
  for (PathModel* path : {&network_.relay, &network_.direct}) {
    path->loss = calm_loss_;
    path->duplicates = 0;
  }
  network_.relay.up = {true, true};
  network_.direct.up = {direct_possible_, direct_possible_};
  for (std::size_t i : {0U, 1U}) {
    Node& node = pair_.node(i);
    node.heal_store();
    node.start();
    node.set_relay_online(true);
  }
  if (!pair_.a.wanted && !pair_.b.wanted) any().connect();
  for (std::size_t i : {0U, 1U}) {
    pair_.node(i).send_message(20);
    // Real ones come with a network that heals; half of the time it is for the timers to find out.
    if (random_.chance(0.5)) pair_.node(i).peer().on_network_changed();
  }
}

// --- promises ---

std::string Schedule::states() {
  std::string out;
  for (std::size_t i : {0U, 1U}) {
    Node& node = pair_.node(i);
    if (!node.running()) {
      out += fmt::format(" [{} does not run]", i);
      continue;
    }
    const peer::PeerStatus status = node.status();
    out += fmt::format(" [{} {} {} {} outbox {} error '{}']", i, peer::to_string(status.state),
                       status.path ? peer::to_string(*status.path) : "no path", status.connection,
                       node.disk().outbox.size(), status.last_error);
  }
  return out;
}

// A connection whose other end died unheard of is noticed after 30 s of silence at the latest; where presence
// is told and processes live, everything is much quicker.
void Schedule::expect_connected() {
  if (!world_.run(45s, [this] { return pair_.agreed(); })) {
    world_.fail("the ends do not agree on a connection 45 s after all is well:" + states());
  }
}

// A receiver that was full is asked again after up to a minute.
void Schedule::expect_delivered() {
  if (!world_.run(150s, [this] { return pair_.delivered(); })) {
    world_.fail("messages are missing:" + states());
  }
}

void Schedule::expect_direct() {
  const bool allowed = pair_.a.direct_allowed && pair_.b.direct_allowed;
  if (!allowed) {
    for (std::size_t i : {0U, 1U}) {
      Node& node = pair_.node(i);
      const peer::WhyNotDirect expected =
          node.direct_allowed ? peer::WhyNotDirect::peer_disabled : peer::WhyNotDirect::disabled;
      if (node.status().why_not_direct != expected)
        world_.fail("a wrong reason for no direct path:" + states());
      if (!node.direct_allowed && node.agents_made() > 0) world_.fail("gathered though direct is off");
    }
    return;
  }
  if (!direct_possible_) {
    if (pair_.on_path(peer::PathKind::direct)) world_.fail("direct over a dead path:" + states());
    return;
  }
  // Three demotions in the chaos bar the path for ten minutes; a late retry comes after five.
  if (network_.relayed_pairs) return;  // TURN or the relay, whichever is the quicker
  if (!world_.run(16min, [&] { return pair_.on_path(peer::PathKind::direct); })) {
    world_.fail("not direct though nothing prevents it:" + states());
  }
}

void Schedule::expect_quiet_relay() {
  if (!pair_.on_path(peer::PathKind::direct)) return;
  if (calm_loss_ > 0) return;  // a lost probe may well put a copy on the relay
  world_.run(6s);              // handshakes that nobody goes on with end
  if (!pair_.on_path(peer::PathKind::direct)) {
    return world_.fail("left a good direct path:" + states());
  }
  const auto relay = static_cast<std::size_t>(peer::PathKind::relay);
  const auto sent = [&] { return pair_.a.status().bytes[relay].tx + pair_.b.status().bytes[relay].tx; };
  const std::uint64_t before = sent();
  pair_.a.send_message(100);
  pair_.b.send_message(3'000);
  expect_delivered();
  world_.run(1s);
  if (sent() != before) world_.fail("QUIC on the relay after both ends switched");
}

// Whatever became of their connection. A reader pauses for some seconds, a lossy path takes more.
void Schedule::expect_streams_over() {
  if (!streams_) return;
  if (!world_.run(90s, [this] { return streams_->settled(); })) {
    world_.fail("a stream waits for ever:" + streams_->unsettled());
  }
  if (const std::string wrong = streams_->wrong(); !wrong.empty()) world_.fail(wrong);
}

// Paths come and go, the connection stays, and so do its streams.
void Schedule::expect_streams_to_last() {
  if (!streams_) return;
  Random& random = streams_->random;
  for (std::uint64_t i = random.between(1, 3); i > 0; --i) {
    at(random.between(0ms, 300ms), [this] { streams_->open(true); });
  }
  const base::Duration length = random.between(50ms, 4s);
  if (random.chance(0.5)) {
    at(random.between(0ms, 600ms), [this, length] {
      cut(network_.direct, 0, length);
      cut(network_.direct, 1, length);
    });
  } else {
    at(random.between(0ms, 600ms), [this, length] {
      drop_relay(pair_.a, length);
      drop_relay(pair_.b, length);
    });
  }
  world_.run(5s);
  expect_streams_over();
}

// kill -9 of one end: the other's streams say so, and new ones open.
void Schedule::expect_restart_told() {
  if (!streams_ || !streams_->random.chance(0.3)) return;
  Random& random = streams_->random;
  for (std::uint64_t i = random.between(1, 3); i > 0; --i) streams_->open(false);
  world_.run(random.between(0ms, 2s));
  restart(random.chance(0.5) ? pair_.a : pair_.b, random.between(0ms, 1500ms));
  world_.run(5s);
  expect_connected();
  expect_streams_over();
  if (world_.failed()) return;
  streams_->open(true);
  expect_streams_over();
}

void Schedule::expect_idle() {
  world_.run(2s);
  const std::uint64_t before = pair_.a.steps() + pair_.b.steps();
  world_.run(20s);
  const std::uint64_t steps = pair_.a.steps() + pair_.b.steps() - before;
  if (steps > 400) world_.fail(fmt::format("{} timer steps in 20 idle seconds:", steps) + states());
  if (!pair_.agreed()) world_.fail("an idle connection did not last:" + states());
}

std::string Schedule::run() {
  choose_network();
  plan();
  world_.run(chaos_);
  const auto next = [this](void (Schedule::*promise)()) {
    if (!world_.failed()) (this->*promise)();
    if (world_.failed()) return;
    const std::string wrong = pair_.inbox_error();
    if (!wrong.empty()) world_.fail(wrong);
  };
  next(&Schedule::calm);
  next(&Schedule::expect_connected);
  next(&Schedule::expect_delivered);
  next(&Schedule::expect_streams_over);
  next(&Schedule::expect_direct);
  next(&Schedule::expect_quiet_relay);
  next(&Schedule::expect_streams_to_last);
  next(&Schedule::expect_restart_told);
  next(&Schedule::expect_idle);
  return world_.failure();
}

}  // namespace

Pair::Pair(std::uint64_t seed)
    : world(seed), a(world, network, ice, 0, identity(0)), b(world, network, ice, 1, identity(1)) {
  a.meet(b);
  b.meet(a);
}

void Pair::start() {
  for (Node* node : {&a, &b}) {
    node->start();
    node->set_relay_online(true);
  }
}

bool Pair::agreed() {
  return connected() && a.status().connection == b.status().connection && !a.status().connection.empty();
}

bool Pair::on_path(peer::PathKind kind) {
  return agreed() && a.status().path == kind && b.status().path == kind;
}

bool Pair::delivered() {
  return a.disk().inbox.size() == b.messages_made() && b.disk().inbox.size() == a.messages_made() &&
         a.disk().outbox.empty() && b.disk().outbox.empty();
}

std::string Pair::inbox_error() {
  for (std::size_t side : {0U, 1U}) {
    const std::vector<std::string>& inbox = node(side).disk().inbox;
    for (std::size_t i = 0; i < inbox.size(); ++i) {
      if (inbox[i] != fmt::format("{:016x}{:016x}", 1 - side, i)) {
        return fmt::format("node {}'s inbox has {} at place {}", side, inbox[i], i);
      }
    }
  }
  return {};
}

std::string run_schedule(std::uint64_t seed) { return Schedule(seed).run(); }

}  // namespace p2pd::sim
