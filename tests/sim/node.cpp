#include "tests/sim/node.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"

namespace p2pd::sim {

using namespace std::chrono_literals;

namespace {

// A megabyte in one second, paced, with its acknowledgements, is some 3,000 wake-ups.
constexpr std::uint64_t kMaxStepsPerSecond = 6'000;
constexpr std::size_t kOldDatagrams = 16;

}  // namespace

Node::Node(World& world, Network& network, IceRegistry& ice, int side,
           std::shared_ptr<const net::Identity> identity)
    : world_(world), network_(network), ice_(ice), side_(side), identity_(std::move(identity)) {
  disk_.epoch = world.random.next();
}

void Node::start() {
  if (running()) return;
  process_ = std::make_shared<char>();
  store_ = std::make_unique<FakeStore>(world_, disk_);
  store_->full = store_full;
  store_->broken = store_broken;
  timer_ = base::kNever;
  told_received_ = 0;
  peer::PeerConfig config;
  config.identity = identity_;
  config.peer = other_->id();
  config.instance = world_.random.next();
  config.message_epoch = disk_.epoch;
  config.wanted = wanted;
  config.outbox_waiting = !disk_.outbox.empty();
  config.direct_allowed = direct_allowed;
  config.own_relays = {"ws://relay.example:80"};
  config.services = services;
  peer_ = std::make_unique<peer::Peer>(std::move(config), static_cast<peer::PeerHost&>(*this),
                                       static_cast<peer::RelayPort&>(*this), *store_,
                                       static_cast<peer::PeerObserver&>(*this));
}

void Node::kill() {
  if (!running()) return;
  set_relay_online(false);
  base::log::debug("sim", "kill", {{"node", side_}});
  ++kills_;
  if (on_kill) on_kill();
  process_.reset();
  store_->crash();
  peer_.reset();
  store_.reset();
}

void Node::heal_store() {
  store_full = store_broken = 0;
  if (store_) store_->full = store_->broken = 0;
}

void Node::later(base::Duration delay, std::function<void()> what) {
  world_.after(delay, [alive = std::weak_ptr(process_), run = std::move(what)] {
    if (!alive.expired()) run();
  });
}

void Node::connect() {
  wanted = true;
  if (running()) peer_->connect();
}

void Node::disconnect() {
  wanted = false;
  ever_disconnected_ = true;
  if (running()) peer_->disconnect();
}

void Node::send_message(std::size_t size) {
  if (!running()) return;
  peer::OutboxMessage message;
  message.sequence = disk_.next_sequence++;
  // A cancelled message before this one leaves a gap.
  if (world_.random.chance(0.05)) message.sequence = disk_.next_sequence++;
  message.id = fmt::format("{:016x}{:016x}", side_, made_++);
  message.created = base::WallTime(1'700'000'000'000ms);
  message.content_type = "text/plain";
  message.data.assign(size, static_cast<std::uint8_t>(made_));
  disk_.outbox.push_back(std::move(message));
  later(200us, [this] { peer_->on_outbox_changed(); });
}

void Node::ping() {
  if (running()) peer_->ping([](const base::Result<peer::PingReply>&) {}, 3s);
}

void Node::set_relay_online(bool online) {
  if (online_ == online || (online && !running())) return;
  base::log::debug("sim", online ? "relay session up" : "relay session down", {{"node", side_}});
  online_ = online;
  ++session_;
  peer_->on_relay_online(online);
  if (!presence || !other_->presence) return;
  other_->tell_presence(online ? peer::Presence::here : peer::Presence::gone);
  if (online && other_->online_) tell_presence(peer::Presence::here);
}

void Node::tell_presence(peer::Presence what) {
  if (!online_) return;
  later(network_.relay.latency / 2, [this, what, session = session_] {
    if (online_ && session == session_) peer_->on_presence(what);
  });
}

bool Node::send(const base::PeerId& peer, base::ByteView datagram) {
  if (peer != other_->id()) world_.fail("sent to a stranger");
  if (!online_) return false;
  network_.carry(
      network_.relay, side_,
      [to = other_, session = other_->session_, bytes = base::Bytes(datagram.begin(), datagram.end())] {
        if (!to->online_ || to->session_ != session) return;
        if (to->old_datagrams_.size() < kOldDatagrams) to->old_datagrams_.push_back(bytes);
        to->peer_->on_relay_datagram(bytes);
      });
  return true;
}

void Node::replay_old_datagram() {
  if (!online_ || old_datagrams_.empty()) return;
  const base::Bytes bytes = old_datagrams_[world_.random.between(0, old_datagrams_.size() - 1)];
  base::log::debug("sim", "replay", {{"node", side_}, {"bytes", bytes.size()}});
  peer_->on_relay_datagram(bytes);
}

std::unique_ptr<net::Ice> Node::make_ice(net::IceEvents& events, const std::optional<proto::Endpoint>&) {
  ++agents_;
  return std::make_unique<FakeIce>(ice_, side_, events);
}

void Node::deadline_changed(base::TimePoint deadline) {
  if (deadline >= timer_) return;  // the one that is armed looks again
  timer_ = deadline;
  if (deadline == base::kNever) return;
  world_.at(deadline, [this, deadline, alive = std::weak_ptr(process_)] {
    if (alive.expired() || timer_ != deadline) return;
    timer_ = base::kNever;
    count_step();
    if (peer_->deadline() <= world_.now()) peer_->on_time();
    if (peer_->deadline() != base::kNever) deadline_changed(peer_->deadline());
  });
}

void Node::count_step() {
  ++steps_;
  if (world_.now() - second_began_ >= 1s) {
    second_began_ = world_.now();
    steps_this_second_ = 0;
  }
  if (++steps_this_second_ > kMaxStepsPerSecond) world_.fail(fmt::format("node {} spins", side_));
}

bool Node::established() const { return running() && peer_->status().state == peer::PeerState::established; }

void Node::on_state_changed(const base::PeerId&, std::string_view state, std::string_view reason) {
  if (state.empty() || reason.empty()) world_.fail("a state change without state or reason");
  reasons_.push_back(fmt::format("{}:{}", state, reason));
}

void Node::on_messages_delivered(const base::PeerId&, std::uint64_t up_to) {
  const auto mark = other_->disk_.marks.find(disk_.epoch);
  if (mark == other_->disk_.marks.end() || mark->second < up_to) {
    world_.fail(fmt::format("node {} was told of {} before it was stored", side_, up_to));
  }
}

void Node::on_messages_received(const base::PeerId&, std::uint64_t up_to) {
  if (up_to <= told_received_) world_.fail("the same messages were announced twice");
  told_received_ = up_to;
}

}  // namespace p2pd::sim
