#include <optional>

#include "peer/message_id.hpp"
#include "tests/unit/peer/message_fixture.hpp"

namespace p2pd::peer {
namespace {

constexpr net::StreamId kStream{1};
constexpr std::uint64_t kEpoch = 77;

class MessageReceiverTest : public MessageTest {
 protected:
  MessageReceiverTest() {
    MessageSink& sink = *this;
    receiver.emplace(quic, store, peer, kEpoch, kStream, sink, received);
  }

  static base::Bytes frame(std::uint64_t sequence, std::size_t size = 3) {
    proto::MessageData data;
    data.sequence = sequence;
    data.id = {1, 2, 3};
    data.data.assign(size, 9);
    return proto::encode(proto::MessageFrame(data));
  }
  bool feed(std::uint64_t sequence, std::size_t size = 3) {
    return receiver->on_data(frame(sequence, size), false);
  }
  void begin(std::uint64_t mark = 0) {
    store.marks.front()(mark);
    store.marks.pop_front();
  }
  void finish_commit(std::uint64_t high_water, bool full = false) {
    const auto done = std::move(store.commits.front().done);
    store.commits.pop_front();
    done(InboundCommit{high_water, full});
  }

  std::vector<std::uint64_t> told;
  std::shared_ptr<const ReceivedTeller> received =
      std::make_shared<const ReceivedTeller>([this](std::uint64_t up_to) { told.push_back(up_to); });
  std::optional<MessageReceiver> receiver;
};

TEST_F(MessageReceiverTest, TellsItsMarkFirst) {
  EXPECT_EQ(store.asked_epoch, kEpoch);
  begin(12);
  EXPECT_EQ(sent(kStream), std::vector<proto::MessageFrame>{proto::MessageAcknowledged{12}});
}

TEST_F(MessageReceiverTest, AcknowledgesOnlyAfterTheCommit) {
  begin();
  (void)quic.take(kStream);
  EXPECT_TRUE(feed(1));
  ASSERT_EQ(store.commits.size(), 1U);
  EXPECT_EQ(store.commits[0].epoch, kEpoch);
  EXPECT_TRUE(quic.take(kStream).empty());
  EXPECT_TRUE(told.empty());
  finish_commit(1);
  EXPECT_EQ(sent(kStream), std::vector<proto::MessageFrame>{proto::MessageAcknowledged{1}});
  EXPECT_EQ(told, std::vector<std::uint64_t>{1});
}

TEST_F(MessageReceiverTest, GathersWhatComesDuringACommitIntoTheNext) {
  begin();
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) EXPECT_TRUE(feed(sequence));
  ASSERT_EQ(store.commits.size(), 1U);
  finish_commit(1);
  ASSERT_EQ(store.commits.size(), 1U);
  EXPECT_EQ(store.commits[0].messages.size(), 4U);
}

TEST_F(MessageReceiverTest, WaitsForItsMarkBeforeItStores) {
  EXPECT_TRUE(feed(1));
  EXPECT_TRUE(store.commits.empty());
  begin();
  EXPECT_EQ(store.commits.size(), 1U);
}

TEST_F(MessageReceiverTest, StoresNothingMoreOfTheStreamOnceItIsFull) {
  begin();
  (void)quic.take(kStream);
  EXPECT_TRUE(feed(1));
  EXPECT_TRUE(feed(2));
  finish_commit(0, true);
  EXPECT_EQ(sent(kStream), std::vector<proto::MessageFrame>{proto::MessageFull{0}});
  EXPECT_TRUE(feed(3));
  EXPECT_TRUE(store.commits.empty());
}

TEST_F(MessageReceiverTest, ADiskThatFailsCountsAsFull) {
  begin(3);
  (void)quic.take(kStream);
  EXPECT_TRUE(feed(4));
  store.commits.front().done(base::errno_error(28, "inbox"));
  EXPECT_EQ(sent(kStream), std::vector<proto::MessageFrame>{proto::MessageFull{3}});
}

TEST_F(MessageReceiverTest, HoldsCreditBackWhileTheStoreIsBehind) {
  begin();
  std::size_t fed = 0;
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    EXPECT_TRUE(feed(sequence, 1'000'000));
    fed += frame(sequence, 1'000'000).size();
  }
  EXPECT_LT(quic.consumed[kStream], fed);
  finish_commit(1);
  finish_commit(5);
  EXPECT_EQ(quic.consumed[kStream], fed);
}

TEST_F(MessageReceiverTest, RefusesASequenceThatDoesNotGrow) {
  begin();
  EXPECT_TRUE(feed(3));
  EXPECT_FALSE(feed(3));
}

TEST_F(MessageReceiverTest, AllowsGaps) {
  begin();
  EXPECT_TRUE(feed(3));
  EXPECT_TRUE(feed(9));
}

TEST_F(MessageReceiverTest, RefusesAcknowledgementsFromTheSendingEnd) {
  begin();
  EXPECT_FALSE(receiver->on_data(proto::encode(proto::MessageFrame(proto::MessageAcknowledged{1})), false));
}

TEST_F(MessageReceiverTest, RefusesGarbage) {
  begin();
  const base::Bytes garbage(64, 0xff);
  EXPECT_FALSE(receiver->on_data(garbage, false));
}

TEST_F(MessageReceiverTest, TellsOfACommitThatEndsAfterTheConnection) {
  begin();
  EXPECT_TRUE(feed(1));
  receiver.reset();
  finish_commit(1);
  EXPECT_EQ(told, std::vector<std::uint64_t>{1});
}

TEST_F(MessageReceiverTest, FinishesAfterTheLastCommit) {
  begin();
  EXPECT_TRUE(receiver->on_data(frame(1), true));
  EXPECT_TRUE(quic.finished.empty());
  finish_commit(1);
  EXPECT_EQ(quic.finished, std::vector<net::StreamId>{kStream});
}

TEST(MessageId, ReadsOnlyThirtyTwoLowerCaseHexDigits) {
  const std::string text = "000102030405060708090a0b0c0d0eff";
  const auto id = message_id(text);
  ASSERT_TRUE(id);
  EXPECT_EQ(message_id_text(*id), text);
  EXPECT_FALSE(message_id(text.substr(1)));
  EXPECT_FALSE(message_id(text + "0"));
  EXPECT_FALSE(message_id("000102030405060708090A0b0c0d0eff"));
  EXPECT_FALSE(message_id("g00102030405060708090a0b0c0d0eff"));
}

}  // namespace
}  // namespace p2pd::peer
