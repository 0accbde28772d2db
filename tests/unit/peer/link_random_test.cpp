// Random schedules of paths that come and go. A failing one is replayed by the seed in its message.
#include <gtest/gtest.h>

#include "link_net.hpp"

namespace p2pd::peer {
namespace {

using namespace test;

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : net_(seed) {
    for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
      const auto latency = milliseconds(1 + pick(60));
      const double loss = pick(3) == 0 ? 0.02 : 0;
      for (int end = 0; end < 2; ++end) {
        net_.lane(kind, end).latency = latency;
        net_.lane(kind, end).loss = loss;
      }
    }
  }

  void run() {
    net_.exchange_keys();
    for (int i = 0; i < 30; ++i) {
      disturb();
      const bool full_size = pick(2) == 0;
      if (pick(3) != 0) net_.end(static_cast<int>(pick(2))).write(1 + pick(5), full_size);
      net_.run(milliseconds(pick(pick(4) == 0 ? 8'000 : 700)));
    }
  }

  // Everything works from now on, and the network says so.
  void heal() {
    for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
      for (int end = 0; end < 2; ++end) {
        net_.lane(kind, end).up = true;
        net_.lane(kind, end).loss = 0;
        net_.lane(kind, end).mtu = 64'000;
      }
    }
    net_.available(kDirect);
    net_.available(kRelay);
  }

  Net& net() { return net_; }

 private:
  unsigned pick(unsigned bound) { return static_cast<unsigned>(net_.random()() % bound); }

  void disturb() {
    const auto kind = static_cast<PathKind>(pick(3));
    const int end = static_cast<int>(pick(2));
    switch (pick(10)) {
      case 0:
        net_.set_up(kind, false);
        break;
      case 1:
      case 2:
        net_.set_up(kind, true);
        break;
      case 3:
        net_.lane(kind, end).up = !net_.lane(kind, end).up;
        break;
      case 4:
        net_.link(end).path_lost(kind, net_.now, "ICE failed");
        break;
      case 5:
      case 6:
        net_.available(kind);
        break;
      case 7:
        net_.lane(kind, end).mtu = 1'202 + pick(400);
        break;
      case 8:
        if (pick(4) == 0) net_.link(end).network_changed(net_.now);
        break;
      case 9: {
        const bool to_turn = pick(2) == 0;
        net_.link(end).path_replaced(to_turn ? kDirect : PathKind::turn, to_turn ? PathKind::turn : kDirect,
                                     net_.now);
        break;
      }
    }
  }

  Net net_;
};

// In tenths, so that each is short enough under a sanitizer.
class LinkSchedules : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(AThousand, LinkSchedules, testing::Range<std::uint64_t>(1, 1'000, 100));

TEST_P(LinkSchedules, ConvergeOnDirectWhenTheyCalmDown) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    schedule.run();
    schedule.heal();
    Net& net = schedule.net();
    for (const auto& end : net.ends) end->link.network_changed(net.now);
    net.run(seconds(7));
    for (int index = 0; index < 2; ++index) {
      ASSERT_EQ(net.link(index).path(), kDirect) << index;
      ASSERT_EQ(net.link(index).route().also, std::nullopt);
      ASSERT_EQ(net.end(index).unacknowledged(), 0U);
    }
    ASSERT_EQ(net.link(0).stats(kDirect).state, PathState::alive);
    const auto sent = net.link(0).stats(kRelay).datagrams_sent;
    net.chat(seconds(1));
    ASSERT_EQ(net.link(0).stats(kRelay).datagrams_sent, sent) << "QUIC on the relay after both have switched";
  }
}

TEST(LinkRandom, ConvergesWithoutANetworkEventOnceTheCoolDownIsOver) {
  for (std::uint64_t seed = 2'001; seed <= 2'100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    schedule.run();
    schedule.heal();
    Net& net = schedule.net();
    net.run(minutes(10) + seconds(10));
    for (int index = 0; index < 2; ++index) {
      ASSERT_EQ(net.link(index).path(), kDirect) << index;
      ASSERT_EQ(net.end(index).unacknowledged(), 0U);
    }
  }
}

// Whatever happens, timers stay few: Net throws where a deadline is not in the future, and this counts them.
TEST(LinkRandom, NeverSpins) {
  for (std::uint64_t seed = 3'001; seed <= 3'200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Schedule schedule(seed);
    const base::TimePoint start = schedule.net().now;
    schedule.run();
    const auto lived = (schedule.net().now - start) / seconds(1) + 1;
    for (const auto& end : schedule.net().ends) {
      ASSERT_LT(end->timer_calls, 80 * lived) << lived << " s";
      ASSERT_LT(end->frames_sent, 250 * lived);
    }
  }
}

TEST(LinkRandom, DeliversEverythingWhileThereIsAlwaysOneWay) {
  for (std::uint64_t seed = 4'001; seed <= 4'050; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Net net(seed);
    net.settle_on_direct();
    std::size_t written = 0;
    for (int i = 0; i < 20; ++i) {
      // One of the two is always whole; the other fails in either or both directions.
      const PathKind broken = net.random()() % 2 == 0 ? kDirect : kRelay;
      net.set_up(kDirect, true);
      net.set_up(kRelay, true);
      const auto how = net.random()() % 3;
      if (how != 0) net.lane(broken, 0).up = false;
      if (how != 1) net.lane(broken, 1).up = false;
      base::TimePoint last = net.now;
      std::size_t had = net.end(1).delivered();
      for (int tick = 0; tick < 100; ++tick) {
        net.end(0).write(1);
        ++written;
        net.run(milliseconds(20));
        if (net.end(1).delivered() != had) last = net.now;
        had = net.end(1).delivered();
        ASSERT_LT(net.now - last, milliseconds(1'700)) << "round " << i;
      }
    }
    net.set_up(kDirect, true);
    net.set_up(kRelay, true);
    net.run(seconds(7));
    ASSERT_EQ(net.end(1).delivered(), written);
    ASSERT_EQ(net.end(0).unacknowledged(), 0U);
  }
}

}  // namespace
}  // namespace p2pd::peer
