#include "peer/pairing.hpp"

#include <deque>

#include <gtest/gtest.h>

#include "proto/datagram.hpp"

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;
using proto::PairingPaired;
using proto::PairingRefusal;
using proto::PairingRefused;

// Making a key is slow: two for all tests.
std::shared_ptr<const net::Identity> identity(std::size_t index) {
  static const std::array made{net::Identity::generate(), net::Identity::generate(),
                               net::Identity::generate()};
  return made.at(index);
}

// A joiner and an inviter joined by two queues under a clock that is moved by hand.
class PairingTest : public testing::Test {
 protected:
  void join() {
    auto made = Pairing::join({identity(0), identity(1)->id(), {"ws://joiner"}, into(to_inviter_)}, now_);
    joiner_ = std::move(made.value());
  }
  // Hands over what waits until nothing moves. `keys` are the inviter's and whom it admits.
  void run(std::size_t admitted = 0, std::size_t inviter = 1) {
    while (!to_inviter_.empty() || !to_joiner_.empty()) {
      deliver(to_inviter_, [&](base::ByteView packet) {
        if (!inviter_) {
          auto made = Pairing::admit(
              {identity(inviter), identity(admitted)->id(), {"ws://inviter"}, into(to_joiner_)}, packet,
              now_);
          if (!made) return;
          inviter_ = std::move(*made);
        }
        inviter_->receive(packet, now_);
      });
      deliver(to_joiner_, [&](base::ByteView packet) { joiner_->receive(packet, now_); });
    }
  }
  // Moves the clock from deadline to deadline for so long, delivering all the while.
  void pass(base::Duration time) {
    const base::TimePoint end = now_ + time;
    while (true) {
      base::TimePoint next = joiner_->deadline();
      if (inviter_) next = std::min(next, inviter_->deadline());
      if (next > end) break;
      now_ = std::max(now_ + 1us, next);
      joiner_->on_time(now_);
      if (inviter_) inviter_->on_time(now_);
      run();
    }
    now_ = end;
  }

  using Queue = std::deque<base::Bytes>;
  static std::function<void(base::ByteView)> into(Queue& queue) {
    return [&queue](base::ByteView datagram) { queue.emplace_back(datagram.begin(), datagram.end()); };
  }
  static void deliver(Queue& queue, const std::function<void(base::ByteView)>& receive) {
    for (const base::Bytes& datagram : std::exchange(queue, {})) {
      proto::QuicPackets packets(datagram);
      while (const auto packet = packets.next()) receive(*packet);
    }
  }

  base::TimePoint now_{1h};
  Queue to_inviter_;
  Queue to_joiner_;
  std::unique_ptr<Pairing> joiner_;
  std::unique_ptr<Pairing> inviter_;
};

TEST_F(PairingTest, AsksAndIsToldWhenItIsDone) {
  join();
  joiner_->start(now_);
  run();
  const auto ask = inviter_->take_ask();
  ASSERT_TRUE(ask);
  EXPECT_EQ(ask->relays, std::vector<std::string>{"ws://joiner"});
  EXPECT_FALSE(inviter_->take_ask());
  EXPECT_FALSE(joiner_->answered());
  inviter_->answer(PairingPaired{{"ws://inviter"}}, now_);
  run();
  ASSERT_TRUE(joiner_->answered());
  EXPECT_EQ(std::get<PairingPaired>(*joiner_->answered()).relays, std::vector<std::string>{"ws://inviter"});
  EXPECT_FALSE(inviter_->over());
  joiner_->close(now_);
  run();
  EXPECT_TRUE(joiner_->over());
  EXPECT_TRUE(inviter_->over());
}

TEST_F(PairingTest, IsToldWhyItIsRefused) {
  for (const PairingRefusal reason :
       {PairingRefusal::used, PairingRefusal::revoked, PairingRefusal::expired, PairingRefusal::no_room}) {
    inviter_.reset();
    join();
    joiner_->start(now_);
    run();
    inviter_->answer(PairingRefused{reason}, now_);
    run();
    ASSERT_TRUE(joiner_->answered());
    EXPECT_EQ(std::get<PairingRefused>(*joiner_->answered()).reason, reason);
  }
}

TEST_F(PairingTest, NothingIsSentBeforeTheKnockIsMade) {
  join();
  EXPECT_TRUE(to_inviter_.empty());
  joiner_->start(now_);
  ASSERT_FALSE(to_inviter_.empty());
  proto::QuicPackets packets(to_inviter_.front());
  const base::Bytes first(to_inviter_.front().begin() + 2, to_inviter_.front().end());
  const auto header = net::parse_packet_header(first);
  ASSERT_TRUE(header && header->initial);
  EXPECT_EQ(base::to_hex(header->destination), base::to_hex(joiner_->first_id()));
}

TEST_F(PairingTest, SilenceIsOverAfterTwoSeconds) {
  join();
  joiner_->start(now_);
  to_inviter_.clear();
  while (!joiner_->over() && now_ < base::TimePoint(2h)) {
    now_ = joiner_->deadline();
    joiner_->on_time(now_);
    to_inviter_.clear();
  }
  EXPECT_EQ(now_, base::TimePoint(1h) + Pairing::kFirstAnswer);
  EXPECT_EQ(joiner_->failure(), "no answer");
}

TEST_F(PairingTest, SurvivesTheLossOfItsFirstPackets) {
  join();
  joiner_->start(now_);
  to_inviter_.clear();
  pass(1s);
  ASSERT_TRUE(inviter_);
  EXPECT_TRUE(inviter_->take_ask());
}

TEST_F(PairingTest, AnAnswerThatIsLostIsRepeated) {
  join();
  joiner_->start(now_);
  run();
  inviter_->answer(PairingPaired{}, now_);
  to_joiner_.clear();
  pass(2s);
  EXPECT_TRUE(joiner_->answered());
}

TEST_F(PairingTest, AnotherKeyThanTheAdmittedOneAsksNothing) {
  join();
  joiner_->start(now_);
  run(2);
  pass(5s);
  ASSERT_TRUE(inviter_);
  EXPECT_FALSE(inviter_->take_ask());
  EXPECT_TRUE(inviter_->over());
  EXPECT_FALSE(joiner_->answered());
  EXPECT_TRUE(joiner_->over());
}

TEST_F(PairingTest, AnInviterWithAnotherKeyThanTheTicketsIsNotAsked) {
  join();
  joiner_->start(now_);
  run(0, 2);
  pass(5s);
  ASSERT_TRUE(inviter_);
  EXPECT_FALSE(inviter_->take_ask());
  EXPECT_TRUE(joiner_->over());
}

TEST_F(PairingTest, NobodyHoldsItOpenForLongerThanItsWholeTime) {
  join();
  joiner_->start(now_);
  run();
  pass(Pairing::kWhole);
  EXPECT_TRUE(joiner_->over());
  EXPECT_TRUE(inviter_->over());
}

}  // namespace
}  // namespace p2pd::peer
