#include "tests/unit/peer/file_fixture.hpp"

namespace p2pd::peer {
namespace {

using proto::FileRefusal;
using proto::FileWithdrawal;

constexpr net::StreamId kStream{9};

class FileReceiverTest : public FileTest {
 protected:
  FileReceiverTest() { renew(); }

  void renew() {
    receiver = std::make_unique<FileReceiver>(quic, store, peer, kStream, sink(), all);
    notes = {};
    quic.written[kStream].clear();
    quic.consumed.clear();
    quic.finished.clear();
  }
  bool say(const proto::FileFrame& frame) { return receiver->on_data(proto::encode(frame), false); }
  bool data(std::size_t size, std::uint8_t value = 'x') {
    return receiver->on_data(data_frame(size, value), false);
  }
  void admit(std::uint64_t size, std::uint64_t offset = 0) {
    ASSERT_TRUE(say(offer(1, size)));
    ASSERT_FALSE(store.offers.empty());
    const auto done = store.offers.back().done;
    store.offers.pop_back();
    done(FileAdmission{std::make_unique<NotedTarget>(notes), offset, digest(1)});
    const auto accept = only<proto::FileAccept>(kStream);
    EXPECT_EQ(accept.offset, offset);
    EXPECT_EQ(accept.digest, digest(1));
  }
  // Up to where data may come.
  void begin(std::uint64_t size, std::uint64_t offset = 0) {
    admit(size, offset);
    ASSERT_TRUE(say(proto::FileBegin{offset}));
    quic.consumed.clear();
  }
  void written(std::optional<FileRefusal> refusal = {}) {
    ASSERT_FALSE(notes.writes.empty());
    const auto done = std::move(notes.writes.front().done);
    notes.writes.pop_front();
    done(refusal);
  }
  FileRefusal refusal() { return only<proto::FileRefuse>(kStream).reason; }

  TargetNotes notes;
  std::set<FileReceiver*> all;
  std::unique_ptr<FileReceiver> receiver;
};

TEST_F(FileReceiverTest, AsksAndAcceptsWithWhatIsThere) {
  EXPECT_FALSE(receiver->transfer());
  begin(1000, 400);
  EXPECT_EQ(receiver->transfer(), offer().id);
  EXPECT_EQ(notes.begins, std::vector<std::uint64_t>{400});
  EXPECT_EQ(all.size(), 1U);
}

TEST_F(FileReceiverTest, TakesABeginningFromNothingToo) {
  admit(1000, 400);
  ASSERT_TRUE(say(proto::FileBegin{0}));
  EXPECT_EQ(notes.begins, std::vector<std::uint64_t>{0});
  EXPECT_TRUE(data(1000));
}

TEST_F(FileReceiverTest, AnswersWithTheNameWhereItIsThereAlready) {
  ASSERT_TRUE(say(offer()));
  store.offers[0].done(std::string("kept as"));
  EXPECT_EQ(only<proto::FileDone>(kStream).name, "kept as");
  EXPECT_EQ(quic.finished, std::vector{kStream});
}

TEST_F(FileReceiverTest, ReturnsCreditOnlyForWhatIsWritten) {
  begin(1 << 20);
  const std::size_t header = data_frame(1).size() - 1;
  ASSERT_TRUE(data(FileReceiver::kLeast));
  EXPECT_EQ(quic.consumed[kStream], header);
  ASSERT_EQ(notes.writes.size(), 1U);
  ASSERT_TRUE(data(FileReceiver::kLeast));
  EXPECT_EQ(notes.writes.size(), 1U) << "gathers while the first is written";
  written();
  EXPECT_EQ(quic.consumed[kStream], 2 * header + FileReceiver::kLeast);
  ASSERT_EQ(notes.writes.size(), 1U) << "hands over what gathered";
  EXPECT_EQ(notes.writes[0].batch.data.size(), FileReceiver::kLeast);
}

TEST_F(FileReceiverTest, HandsOverMoreAtOnceWhileOneIsWritten) {
  begin(16 << 20);
  ASSERT_TRUE(data(FileReceiver::kLeast));
  ASSERT_TRUE(data(FileReceiver::kMost));
  EXPECT_EQ(notes.writes.size(), 2U);
}

TEST_F(FileReceiverTest, KeepsHolesInTheirPlaces) {
  begin(1000);
  ASSERT_TRUE(data(10, 'a'));
  ASSERT_TRUE(say(proto::FileHole{980}));
  ASSERT_TRUE(data(10, 'b'));
  ASSERT_TRUE(say(proto::FileEnd{digest(2)}));
  ASSERT_EQ(notes.writes.size(), 1U);
  const FileBatch& batch = notes.writes[0].batch;
  EXPECT_EQ(batch.data.size(), 20U);
  ASSERT_EQ(batch.holes.size(), 1U);
  EXPECT_EQ(batch.holes[0].at, 10U);
  EXPECT_EQ(batch.holes[0].length, 980U);
}

TEST_F(FileReceiverTest, HandsOverHolesThatAreOfNoBytes) {
  begin(1 << 30);
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(say(proto::FileHole{1}));
  EXPECT_EQ(notes.writes.size(), 1U);
}

TEST_F(FileReceiverTest, SaysDoneWithTheNameOnlyWhenItIsStored) {
  begin(10);
  ASSERT_TRUE(data(10));
  ASSERT_TRUE(say(proto::FileEnd{digest(5)}));
  ASSERT_EQ(notes.finishes.size(), 1U);
  EXPECT_EQ(notes.finishes[0].digest, digest(5));
  EXPECT_TRUE(receiver->on_data({}, true));
  written();
  EXPECT_TRUE(quic.take(kStream).empty());
  EXPECT_FALSE(notes.destroyed);
  notes.finishes[0].done(std::string("file1 (2)"));
  EXPECT_EQ(only<proto::FileDone>(kStream).name, "file1 (2)");
  EXPECT_EQ(quic.finished, std::vector{kStream});
  EXPECT_TRUE(notes.destroyed);
}

TEST_F(FileReceiverTest, SaysWhyItIsNotStored) {
  begin(10);
  ASSERT_TRUE(data(10));
  ASSERT_TRUE(say(proto::FileEnd{digest(5)}));
  notes.finishes[0].done(FileRefusal::mismatch);
  EXPECT_EQ(refusal(), FileRefusal::mismatch);
}

TEST_F(FileReceiverTest, AFailedWriteIsSaidAndTheRestDroppedWithItsCredit) {
  begin(1 << 20);
  ASSERT_TRUE(data(FileReceiver::kLeast));
  written(FileRefusal::disk_full);
  EXPECT_EQ(refusal(), FileRefusal::disk_full);
  EXPECT_TRUE(notes.destroyed);
  quic.consumed.clear();
  const base::Bytes more = data_frame(1000);
  EXPECT_TRUE(receiver->on_data(more, false));
  EXPECT_EQ(quic.consumed[kStream], more.size());
  EXPECT_TRUE(notes.writes.empty());
}

TEST_F(FileReceiverTest, ItsUserCanEndIt) {
  begin(1 << 20);
  ASSERT_TRUE(data(10));
  receiver->cancel();
  EXPECT_EQ(refusal(), FileRefusal::cancelled);
  EXPECT_EQ(quic.finished, std::vector{kStream});
  receiver->cancel();
  EXPECT_TRUE(quic.take(kStream).empty());
}

TEST_F(FileReceiverTest, KeepsWhatCameBeforeABreak) {
  for (int how = 0; how < 4; ++how) {
    begin(1000);
    ASSERT_TRUE(data(10));
    if (how == 0) {
      EXPECT_TRUE(receiver->on_data({}, true));
    }
    if (how == 1) receiver->on_refused(1);
    if (how == 2) receiver->on_ended();
    if (how == 3) receiver.reset();
    ASSERT_EQ(notes.writes.size(), 1U) << how;
    EXPECT_EQ(notes.writes[0].batch.data.size(), 10U) << how;
    EXPECT_TRUE(notes.destroyed) << how;
    EXPECT_TRUE(quic.take(kStream).empty()) << how;
    receiver.reset();
    notes.writes[0].done({});
    renew();
  }
}

TEST_F(FileReceiverTest, AWithdrawalIsAnsweredOnceItCannotComeBack) {
  ASSERT_TRUE(say(proto::FileWithdraw{offer().id, FileWithdrawal::changed}));
  ASSERT_EQ(store.withdrawals.size(), 1U);
  EXPECT_EQ(store.withdrawals[0].withdraw.reason, FileWithdrawal::changed);
  EXPECT_TRUE(quic.take(kStream).empty());
  store.withdrawals[0].done(true);
  EXPECT_EQ(refusal(), FileRefusal::cancelled);

  renew();
  ASSERT_TRUE(say(proto::FileWithdraw{offer().id, FileWithdrawal::changed}));
  store.withdrawals[1].done(false);
  EXPECT_EQ(refusal(), FileRefusal::busy);
}

TEST_F(FileReceiverTest, AnswersAfterItsEndAreVoid) {
  ASSERT_TRUE(say(offer()));
  receiver.reset();
  store.offers[0].done(FileAdmission{std::make_unique<NotedTarget>(notes), 0, digest(1)});
  EXPECT_TRUE(notes.destroyed);
  EXPECT_TRUE(all.empty());
  EXPECT_TRUE(quic.take(kStream).empty());
}

TEST_F(FileReceiverTest, WhatIsOutOfPlaceBreaksTheProtocol) {
  EXPECT_FALSE(data(5)) << "data before an offer";
  renew();
  EXPECT_FALSE(say(proto::FileBegin{0})) << "begun before it is accepted";
  renew();
  ASSERT_TRUE(say(offer()));
  EXPECT_FALSE(say(offer())) << "offered twice";
  renew();
  ASSERT_TRUE(say(offer()));
  EXPECT_FALSE(say(proto::FileWithdraw{offer().id, FileWithdrawal::cancelled}))
      << "withdrawn on the same stream";
  renew();
  EXPECT_FALSE(say(proto::FileAccept{0, digest(1)})) << "an answer from a sender";
  renew();
  admit(1000, 400);
  EXPECT_FALSE(say(proto::FileBegin{300})) << "begun elsewhere";
  renew();
  begin(1000);
  EXPECT_FALSE(say(proto::FileBegin{0})) << "begun twice";
  renew();
  begin(1000);
  EXPECT_FALSE(say(proto::FileEnd{digest(1)})) << "ended early";
  renew();
  begin(1000);
  EXPECT_FALSE(data(1001)) << "more than was offered";
  renew();
  begin(1000, 400);
  EXPECT_FALSE(say(proto::FileHole{601})) << "a hole beyond the end";
  renew();
  begin(10);
  ASSERT_TRUE(data(10));
  ASSERT_TRUE(say(proto::FileEnd{digest(1)}));
  EXPECT_FALSE(data(1)) << "data after the end";
}

}  // namespace
}  // namespace p2pd::peer
