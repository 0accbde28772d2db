#include <chrono>

#include <fmt/format.h>

#include "tests/unit/peer/message_fixture.hpp"

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

class MessageSenderTest : public MessageTest {
 protected:
  MessageSenderTest() : sender(quic, store, peer, *this) {}

  bool answer(const proto::MessageFrame& frame) { return sender.on_data(proto::encode(frame), false); }
  static OutboxMessage message(std::uint64_t sequence, std::size_t size = 3) {
    OutboxMessage out;
    out.sequence = sequence;
    out.id = fmt::format("{:032}", sequence);
    out.data.assign(size, 1);
    return out;
  }
  void load(std::vector<OutboxMessage> page) {
    ASSERT_FALSE(store.loads.empty());
    const auto done = std::move(store.loads.front().done);
    store.loads.pop_front();
    done(std::move(page));
  }
  net::StreamId stream() const { return adopted.back(); }
  static std::uint64_t sequence(const proto::MessageFrame& frame) {
    return std::get<proto::MessageData>(frame).sequence;
  }

  MessageSender sender;
};

TEST_F(MessageSenderTest, SaysItsKindAndWaitsForTheMark) {
  sender.start();
  EXPECT_EQ(quic.take(stream()), base::Bytes{1});
  EXPECT_TRUE(store.loads.empty());
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  ASSERT_EQ(store.loads.size(), 1U);
  EXPECT_EQ(store.loads[0].after, 0U);
}

TEST_F(MessageSenderTest, SendsAfterTheMarkAndDeletesWhatLiesBelowIt) {
  sender.start();
  (void)quic.take(stream());
  EXPECT_TRUE(answer(proto::MessageAcknowledged{4}));
  EXPECT_EQ(store.delivered, std::vector<std::uint64_t>{4});
  EXPECT_EQ(store.loads[0].after, 4U);
  load({message(5), message(7)});
  const auto frames = sent(stream());
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(sequence(frames[0]), 5U);
  EXPECT_EQ(sequence(frames[1]), 7U);
  EXPECT_EQ(store.loads[0].after, 7U);
}

TEST_F(MessageSenderTest, DeletesOnlyWhatWasAcknowledged) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  load({message(1), message(2)});
  EXPECT_TRUE(store.delivered.empty());
  EXPECT_TRUE(answer(proto::MessageAcknowledged{1}));
  EXPECT_EQ(store.delivered, std::vector<std::uint64_t>{1});
  EXPECT_EQ(told_delivered, std::vector<std::uint64_t>{1});
}

TEST_F(MessageSenderTest, TellsWhenTheOutboxIsEmptyAndLooksAgainWhenItIsNot) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  load({message(1)});
  load({});
  EXPECT_EQ(empty, 0);
  EXPECT_TRUE(answer(proto::MessageAcknowledged{1}));
  EXPECT_EQ(empty, 1);
  EXPECT_TRUE(store.loads.empty());
  sender.on_outbox_changed();
  EXPECT_EQ(store.loads.size(), 1U);
}

TEST_F(MessageSenderTest, AMessageAddedDuringALoadIsNotForgotten) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  sender.on_outbox_changed();
  load({});
  EXPECT_EQ(store.loads.size(), 1U);
}

TEST_F(MessageSenderTest, KeepsNoMoreThanAWindowUnanswered) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  std::uint64_t next = 1;
  while (!store.loads.empty() && next < 100) {
    load({message(next, 500'000)});
    ++next;
  }
  EXPECT_LT(next, 6U);
  EXPECT_TRUE(answer(proto::MessageAcknowledged{next - 1}));
  EXPECT_EQ(store.loads.size(), 1U);
}

TEST_F(MessageSenderTest, GivesTheStreamUpWhenThePeerIsFullAndBeginsAnewLater) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  load({message(1), message(2), message(3)});
  const net::StreamId first = stream();
  EXPECT_TRUE(answer(proto::MessageFull{1}));
  EXPECT_EQ(quic.resets.at(first), net::CloseCode::limit);
  EXPECT_EQ(store.delivered, std::vector<std::uint64_t>{1});
  EXPECT_EQ(sender.deadline(), time + 1s);
  time += 1s;
  sender.on_time(time);
  ASSERT_NE(stream(), first);
  EXPECT_TRUE(answer(proto::MessageAcknowledged{1}));
  EXPECT_EQ(store.loads.back().after, 1U);
}

TEST_F(MessageSenderTest, PausesLongerWhileThePeerStaysFull) {
  sender.start();
  std::vector<base::Duration> pauses;
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(answer(proto::MessageFull{0}));
    pauses.push_back(sender.deadline() - time);
    time = sender.deadline();
    sender.on_time(time);
  }
  EXPECT_EQ(pauses.front(), base::Duration(1s));
  EXPECT_EQ(pauses[1], base::Duration(2s));
  EXPECT_EQ(pauses.back(), base::Duration(60s));
}

TEST_F(MessageSenderTest, ALoadThatEndsAfterItsStreamIsVoid) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  const net::StreamId first = stream();
  (void)quic.take(first);
  sender.on_refused(0);
  load({message(1)});
  EXPECT_TRUE(quic.take(first).empty());
}

TEST_F(MessageSenderTest, AnUnreadableOutboxIsTriedAgain) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  store.loads.front().done(base::errno_error(5, "outbox"));
  EXPECT_EQ(quic.resets.count(stream()), 1U);
  EXPECT_EQ(sender.deadline(), time + 1s);
}

TEST_F(MessageSenderTest, APeerThatKnowsNoMessagesIsNotAskedAgain) {
  sender.start();
  sender.on_refused(static_cast<std::uint64_t>(net::CloseCode::refused));
  EXPECT_EQ(sender.deadline(), base::kNever);
}

TEST_F(MessageSenderTest, AWindowOfStreamsThatIsUsedUpIsTriedAgain) {
  quic.may_open = false;
  sender.start();
  EXPECT_TRUE(adopted.empty());
  EXPECT_EQ(sender.deadline(), time + 1s);
}

TEST_F(MessageSenderTest, RefusesAnAcknowledgementOfWhatWasNotSent) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{0}));
  load({message(1)});
  EXPECT_FALSE(answer(proto::MessageAcknowledged{2}));
}

TEST_F(MessageSenderTest, RefusesAnAcknowledgementThatGoesBack) {
  sender.start();
  EXPECT_TRUE(answer(proto::MessageAcknowledged{9}));
  EXPECT_FALSE(answer(proto::MessageAcknowledged{8}));
}

TEST_F(MessageSenderTest, RefusesMessagesFromTheReceivingEnd) {
  sender.start();
  proto::MessageData data;
  data.sequence = 1;
  EXPECT_FALSE(answer(data));
}

}  // namespace
}  // namespace p2pd::peer
