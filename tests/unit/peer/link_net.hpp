// Two Links and what lies between them, in memory and under a simulated clock: per path and direction a
// latency, a loss rate, a size limit and a switch. On top of each Link stands the least of QUIC that matters
// to it: numbered packets, acknowledgements, a backing-off loss timer and the kick. Replayable by its seed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "peer/link.hpp"

namespace p2pd::peer::test {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

inline constexpr auto kDirect = PathKind::direct;
inline constexpr auto kRelay = PathKind::relay;

struct Lane {
  bool up = true;
  base::Duration latency = milliseconds(5);
  double loss = 0;
  std::size_t mtu = 1'500;         // larger ones vanish
  std::size_t interface = 65'000;  // larger ones are refused with EMSGSIZE
};

class Net;

class End final : public LinkSink {
 public:
  End(Net& net, int index);

  // --- the application ---
  void write(unsigned packets, bool full_size = false);
  [[nodiscard]] std::size_t unacknowledged() const { return unacknowledged_.size(); }
  [[nodiscard]] std::size_t delivered() const { return delivered_.size(); }

  // --- LinkSink ---
  net::SendOutcome send_frame(PathKind path, base::ByteView datagram) override;
  void kick_quic() override;
  void on_path_changed(PathKind from, PathKind to, std::string_view reason) override;
  void on_path_expired(PathKind kind) override { expired.push_back(kind); }

  void receive_quic(PathKind path, std::size_t bytes, bool ack, std::uint64_t id);
  [[nodiscard]] base::TimePoint deadline() const { return std::min(link.deadline(), loss_timer_); }
  void on_time();

  Link link;
  unsigned kicks = 0;
  unsigned frames_sent = 0;
  unsigned timer_calls = 0;
  std::vector<std::string> changes;  // "relay>direct: probes answered"
  std::vector<PathKind> expired;
  std::vector<base::Bytes> tapped;  // every frame sent, when `tap` is set
  bool tap = false;
  bool has_pair = true;  // ICE's

 private:
  void flush(bool retransmit);
  void transmit(std::size_t bytes, bool ack, std::uint64_t id);

  Net& net_;
  int index_;
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, bool> unacknowledged_;  // id to full size
  std::uint64_t sent_up_to_ = 0;
  std::set<std::uint64_t> delivered_;
  base::TimePoint loss_timer_ = base::kNever;
  unsigned back_off_ = 0;
};

class Net {
 public:
  explicit Net(std::uint64_t seed = 1) : random_(seed) {
    for (int end = 0; end < 2; ++end) {
      lane(PathKind::relay, end).latency = milliseconds(20);
      lane(PathKind::relay, end).mtu = 64'000;
      lane(PathKind::turn, end).latency = milliseconds(15);
      ends[static_cast<std::size_t>(end)] = std::make_unique<End>(*this, end);
    }
  }

  [[nodiscard]] Lane& lane(PathKind kind, int from) {
    return lanes_[static_cast<std::size_t>(kind)][static_cast<std::size_t>(from)];
  }
  void set_up(PathKind kind, bool up) {
    for (int end = 0; end < 2; ++end) lane(kind, end).up = up;
  }
  [[nodiscard]] End& end(int index) { return *ends[static_cast<std::size_t>(index)]; }
  [[nodiscard]] Link& link(int index) { return end(index).link; }

  void exchange_keys() {
    LinkKeys keys;
    keys.send.fill(1);
    keys.receive.fill(2);
    link(0).set_keys(keys, now);
    std::swap(keys.send, keys.receive);
    link(1).set_keys(keys, now);
  }
  void available(PathKind kind) {
    for (int index = 0; index < 2; ++index) link(index).path_available(kind, now);
  }
  void lost(PathKind kind) {
    for (int index = 0; index < 2; ++index) link(index).path_lost(kind, now, "ICE failed");
  }
  // Keys, both paths, both ends moved, the size search over: where most tests begin.
  void settle_on_direct() {
    exchange_keys();
    available(PathKind::direct);
    run(seconds(3));
    ASSERT_EQ(link(0).path(), PathKind::direct);
    ASSERT_EQ(link(1).path(), PathKind::direct);
  }

  void run(base::Duration duration) { run_until(now + duration); }
  void run_until(base::TimePoint until) {
    while (step(until)) {
    }
    now = until;
  }
  // False: not within `limit`.
  [[nodiscard]] bool run_while(const std::function<bool()>& busy, base::Duration limit) {
    const base::TimePoint until = now + limit;
    while (busy()) {
      if (!step(until)) return false;
    }
    return true;
  }

  // Quiet traffic of both ends: a packet of each every `interval`.
  void chat(base::Duration duration, base::Duration interval = milliseconds(20), bool full_size = false) {
    const base::TimePoint until = now + duration;
    while (now < until) {
      for (const auto& one : ends) one->write(1, full_size);
      run(std::min(interval, until - now));
    }
  }

  net::SendOutcome carry(PathKind kind, int from, std::size_t bytes, std::function<void(End&)> deliver) {
    const Lane& way = lane(kind, from);
    if (kind != PathKind::relay && bytes > way.interface) return net::SendOutcome::too_big;
    const bool dropped = !way.up || bytes > way.mtu || uniform() < way.loss;
    if (!dropped) {
      End& to = end(1 - from);
      at(now + way.latency, [&to, deliver = std::move(deliver)] { deliver(to); });
    }
    return net::SendOutcome::sent;
  }
  void at(base::TimePoint when, std::function<void()> what) {
    events_.push({when, ++order_, std::move(what)});
  }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  [[nodiscard]] std::mt19937_64& random() { return random_; }

  base::TimePoint now = base::TimePoint(std::chrono::hours(1));
  std::array<std::unique_ptr<End>, 2> ends;

 private:
  struct Event {
    base::TimePoint when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::pair(when, order) > std::pair(other.when, other.order);
    }
  };

  // Moves to what comes next and does it; false when that is after `until`.
  bool step(base::TimePoint until) {
    base::TimePoint next = events_.empty() ? base::kNever : events_.top().when;
    for (const auto& one : ends) next = std::min(next, one->deadline());
    if (next > until) return false;
    now = std::max(now, next);
    if (!events_.empty() && events_.top().when <= now) {
      const auto what = events_.top().what;
      events_.pop();
      what();
      return true;
    }
    for (const auto& one : ends) {
      if (one->deadline() <= now) one->on_time();
    }
    return true;
  }

  std::mt19937_64 random_;
  std::array<std::array<Lane, 2>, kPathKinds> lanes_;
  std::priority_queue<Event> events_;
  std::uint64_t order_ = 0;
};

inline End::End(Net& net, int index)
    : link(*this, net.now,
           [&net](std::span<std::uint8_t> out) {
             for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(net.random()());
           }),
      net_(net),
      index_(index) {}

inline void End::write(unsigned packets, bool full_size) {
  for (unsigned i = 0; i < packets; ++i) unacknowledged_[++next_id_] = full_size;
  flush(false);
}

inline net::SendOutcome End::send_frame(PathKind path, base::ByteView datagram) {
  if (!has_pair && path != PathKind::relay) return net::SendOutcome::no_path;
  ++frames_sent;
  const base::Bytes copy(datagram.begin(), datagram.end());
  if (tap) tapped.push_back(copy);
  return net_.carry(path, index_, datagram.size(),
                    [path, copy, &net = net_](End& to) { to.link.receive(path, copy, net.now); });
}

inline void End::kick_quic() {
  ++kicks;
  back_off_ = 0;
  flush(true);
}

inline void End::on_path_changed(PathKind from, PathKind to, std::string_view reason) {
  changes.push_back(std::string(to_string(from)) + ">" + std::string(to_string(to)) + ": " +
                    std::string(reason));
}

inline void End::receive_quic(PathKind path, std::size_t bytes, bool ack, std::uint64_t id) {
  link.on_quic_received(path, bytes, true, net_.now);
  if (ack) {
    unacknowledged_.erase(id);
    back_off_ = 0;
    loss_timer_ = unacknowledged_.empty() ? base::kNever : net_.now + milliseconds(100);
  } else {
    delivered_.insert(id);
    transmit(40, true, id);
  }
  link.set_outstanding(!unacknowledged_.empty(), net_.now);
}

inline void End::on_time() {
  if (link.deadline() <= net_.now) {
    ++timer_calls;
    link.on_time(net_.now);
    if (link.deadline() <= net_.now) throw std::logic_error("the deadline stays in the past");
  }
  if (loss_timer_ <= net_.now) {
    back_off_ = std::min(back_off_ + 1, 6U);
    flush(true);
  }
}

inline void End::flush(bool retransmit) {
  for (const auto& [id, full_size] : unacknowledged_) {
    if (id <= sent_up_to_ && !retransmit) continue;
    sent_up_to_ = std::max(sent_up_to_, id);
    transmit(full_size ? link.packet_size() + 2 : 100, false, id);
  }
  loss_timer_ = unacknowledged_.empty() ? base::kNever : net_.now + milliseconds(100) * (1U << back_off_);
  link.set_outstanding(!unacknowledged_.empty(), net_.now);
}

inline void End::transmit(std::size_t bytes, bool ack, std::uint64_t id) {
  const auto send = [&](PathKind path) {
    const net::SendOutcome outcome =
        net_.carry(path, index_, bytes, [=](End& to) { to.receive_quic(path, bytes, ack, id); });
    link.on_quic_sent(path, bytes, outcome, net_.now);
  };
  const Link::Route route = link.route();
  send(route.primary);
  if (route.also) send(*route.also);
}

}  // namespace p2pd::peer::test
