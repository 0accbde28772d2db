#include "tests/unit/peer/file_fixture.hpp"

namespace p2pd::peer {
namespace {

using proto::FileRefusal;
using proto::FileWithdrawal;

class FileSenderTest : public FileTest {
 protected:
  void start(std::uint64_t size = 100, bool withdraw = false) {
    source = std::make_shared<NotedSource>();
    OutgoingFile file{offer(1, size), withdraw ? nullptr : source, FileWithdrawal::changed};
    sender = std::make_unique<FileSender>(
        quic, sink(), std::move(file),
        [this](const proto::TransferId&, const FileSender::Outcome& how) { outcomes.push_back(how); });
    sender->start();
  }
  bool answer(const proto::FileFrame& frame) { return sender->on_data(proto::encode(frame), false); }
  // Up to the first reads.
  void begin(std::uint64_t offset = 0) {
    (void)quic.take(stream());
    ASSERT_TRUE(answer(proto::FileAccept{offset, digest(1)}));
    ASSERT_EQ(source->begins.size(), 1U);
    source->begins[0].done(offset);
  }
  net::StreamId stream() const { return net::StreamId{4}; }
  template <class Outcome>
  bool ended_as() const {
    return outcomes.size() == 1 && std::holds_alternative<Outcome>(outcomes[0]);
  }

  std::shared_ptr<NotedSource> source;
  std::unique_ptr<FileSender> sender;
  std::vector<FileSender::Outcome> outcomes;
};

TEST_F(FileSenderTest, SaysItsKindAndOffers) {
  start();
  EXPECT_EQ(quic.written[stream()].at(0), 2);
  EXPECT_EQ(only<proto::FileOffer>(stream(), 1), offer());
  EXPECT_TRUE(source->begins.empty());
}

TEST_F(FileSenderTest, GoesOnBehindWhatThePeerHas) {
  start();
  (void)quic.take(stream());
  ASSERT_TRUE(answer(proto::FileAccept{60, digest(9)}));
  ASSERT_EQ(source->begins.size(), 1U);
  EXPECT_EQ(source->begins[0].offset, 60U);
  EXPECT_EQ(source->begins[0].digest, digest(9));
  source->begins[0].done(std::uint64_t{60});
  EXPECT_EQ(only<proto::FileBegin>(stream()).offset, 60U);
  EXPECT_EQ(source->reads.size(), static_cast<std::size_t>(FileSender::kReads));
}

TEST_F(FileSenderTest, BeginsAnewWhereThePeerHasSomethingElse) {
  start();
  (void)quic.take(stream());
  ASSERT_TRUE(answer(proto::FileAccept{60, digest(9)}));
  source->begins[0].done(std::uint64_t{0});
  EXPECT_EQ(only<proto::FileBegin>(stream()).offset, 0U);
}

TEST_F(FileSenderTest, SendsDataHolesAndTheEndInOrder) {
  start();
  begin();
  (void)quic.take(stream());
  source->give(base::Bytes(10, 'a'));
  source->give(proto::FileHole{90});
  source->give(proto::FileEnd{digest(3)});
  const Sent all = sent(stream());
  EXPECT_EQ(all.data, base::Bytes(10, 'a'));
  ASSERT_EQ(all.frames.size(), 2U);
  EXPECT_EQ(std::get<proto::FileHole>(all.frames[0]).length, 90U);
  EXPECT_EQ(std::get<proto::FileEnd>(all.frames[1]).digest, digest(3));
  EXPECT_EQ(quic.finished, std::vector{stream()});
  EXPECT_TRUE(outcomes.empty());
  ASSERT_TRUE(answer(proto::FileDone{"file1 (1)"}));
  ASSERT_TRUE(ended_as<FileSender::Delivered>());
  EXPECT_EQ(std::get<FileSender::Delivered>(outcomes[0]).name, "file1 (1)");
  EXPECT_EQ(source->rests, 1);
  EXPECT_TRUE(quic.resets.empty());
}

TEST_F(FileSenderTest, ReadsNoFurtherThanItsWindow) {
  start(1 << 30);
  begin();
  while (!source->reads.empty()) source->give(base::Bytes(1 << 20));
  EXPECT_GE(quic.unacknowledged(stream()), FileSender::kWindow);
  EXPECT_LT(quic.unacknowledged(stream()), FileSender::kWindow + FileSender::kReads * ((1 << 20) + 16));
  (void)quic.take(stream());
  sender->on_acknowledged();
  EXPECT_EQ(source->reads.size(), static_cast<std::size_t>(FileSender::kReads));
}

TEST_F(FileSenderTest, TellsHowMuchThePeerHas) {
  start(1 << 20);
  begin(1000);
  (void)quic.take(stream());
  source->give(base::Bytes(500));
  sender->on_acknowledged();
  EXPECT_LE(source->there, 1000U);
  (void)quic.take(stream());
  sender->on_acknowledged();
  EXPECT_EQ(source->there, 1500U);
}

TEST_F(FileSenderTest, IsDoneAtOnceWhereThePeerHasItAlready) {
  start();
  ASSERT_TRUE(answer(proto::FileDone{"file1"}));
  EXPECT_TRUE(ended_as<FileSender::Delivered>());
}

TEST_F(FileSenderTest, EndsByEachRefusalButBusy) {
  for (std::uint8_t reason = 1; reason <= 8; ++reason) {
    outcomes.clear();
    start();
    EXPECT_TRUE(answer(proto::FileRefuse{static_cast<FileRefusal>(reason)}));
    if (reason == 8) {
      EXPECT_TRUE(ended_as<FileSender::Again>());
    } else {
      ASSERT_TRUE(ended_as<FileRefusal>());
      EXPECT_EQ(std::get<FileRefusal>(outcomes[0]), static_cast<FileRefusal>(reason));
    }
    quic.next_stream = 4;
  }
}

TEST_F(FileSenderTest, IsTriedAgainWithoutAStreamAfterAResetAndAfterAnEarlyEnd) {
  quic.may_open = false;
  start();
  EXPECT_TRUE(ended_as<FileSender::Again>());
  quic.may_open = true;

  outcomes.clear();
  start();
  sender->on_refused(static_cast<std::uint64_t>(net::CloseCode::cancelled));
  EXPECT_TRUE(ended_as<FileSender::Again>());

  outcomes.clear();
  start();
  EXPECT_TRUE(sender->on_data({}, true));
  EXPECT_TRUE(ended_as<FileSender::Again>());
}

TEST_F(FileSenderTest, APeerThatKnowsNoFileStreamsTakesNone) {
  start();
  sender->on_refused(static_cast<std::uint64_t>(net::CloseCode::refused));
  ASSERT_TRUE(ended_as<FileRefusal>());
  EXPECT_EQ(std::get<FileRefusal>(outcomes[0]), FileRefusal::policy);
}

TEST_F(FileSenderTest, AFileThatChangedEndsItAndResetsTheStream) {
  start();
  begin();
  source->give(FileWithdrawal::changed);
  ASSERT_TRUE(ended_as<FileWithdrawal>());
  EXPECT_EQ(std::get<FileWithdrawal>(outcomes[0]), FileWithdrawal::changed);
  EXPECT_TRUE(quic.resets.contains(stream()));

  outcomes.clear();
  quic.next_stream = 4;
  start();
  ASSERT_TRUE(answer(proto::FileAccept{5, digest(1)}));
  source->begins[0].done(FileWithdrawal::unreadable);
  EXPECT_TRUE(ended_as<FileWithdrawal>());
}

TEST_F(FileSenderTest, AWithdrawalIsSaidUntilItIsHeard) {
  start(100, true);
  EXPECT_EQ(only<proto::FileWithdraw>(stream(), 1),
            (proto::FileWithdraw{offer().id, FileWithdrawal::changed}));
  EXPECT_TRUE(answer(proto::FileRefuse{FileRefusal::cancelled}));
  EXPECT_TRUE(ended_as<FileRefusal>());
}

TEST_F(FileSenderTest, FramesOutOfPlaceBreakTheProtocol) {
  start();
  EXPECT_FALSE(answer(proto::FileAccept{101, digest(1)})) << "more than there is";
  EXPECT_FALSE(answer(offer())) << "an offer from a receiver";
  EXPECT_FALSE(sender->on_data(data_frame(3), false)) << "data from a receiver";

  quic.next_stream = 4;
  start();
  begin();
  EXPECT_FALSE(answer(proto::FileAccept{0, digest(1)})) << "accepted twice";
  EXPECT_FALSE(answer(proto::FileDone{"file1"})) << "done before the end";

  quic.next_stream = 4;
  start(100, true);
  EXPECT_FALSE(answer(proto::FileDone{"file1"})) << "a withdrawn one is done";
  EXPECT_FALSE(answer(proto::FileAccept{0, digest(1)})) << "a withdrawn one is accepted";
  EXPECT_TRUE(outcomes.empty());
}

TEST_F(FileSenderTest, WhatComesAfterItsEndIsVoid) {
  start();
  begin();
  const auto read = source->reads.front();
  ASSERT_TRUE(answer(proto::FileRefuse{FileRefusal::quota}));
  (void)quic.take(stream());
  read(base::Bytes(10));
  sender.reset();
  source->reads.back()(base::Bytes(10));
  EXPECT_TRUE(quic.take(stream()).empty());
  EXPECT_EQ(outcomes.size(), 1U);
}

TEST_F(FileSenderTest, ItsFileRestsWhenTheConnectionGoes) {
  start();
  begin();
  sender.reset();
  EXPECT_EQ(source->rests, 1);
  EXPECT_TRUE(outcomes.empty());
}

class FileChannelTest : public FileTest {
 protected:
  void add(std::uint8_t number) {
    files.push_back({offer(number), std::make_shared<NotedSource>(), FileWithdrawal::cancelled});
  }
  bool answer(std::int64_t stream, const proto::FileFrame& frame) {
    return handlers.at(net::StreamId{stream})->on_data(proto::encode(frame), false);
  }
  std::size_t under_way() const { return handlers.size(); }
  void pass(base::Duration span) {
    time += span;
    channel.on_time(time);
  }

  OutgoingFiles files;
  FileChannel channel{quic, store, peer, files, sink()};
};

TEST_F(FileChannelTest, SendsTheOldestAndNoMoreThanSoManyAtATime) {
  for (std::uint8_t number = 1; number <= 10; ++number) add(number);
  EXPECT_EQ(under_way(), 0U);
  channel.start();
  EXPECT_EQ(under_way(), FileChannel::kMaxSenders);
  EXPECT_EQ(only<proto::FileOffer>(net::StreamId{4}, 1).id[0], 1);
  ASSERT_TRUE(answer(4, proto::FileDone{"file1"}));
  EXPECT_EQ(delivered, (std::vector<std::pair<int, std::string>>{{1, "file1"}}));
}

TEST_F(FileChannelTest, OffersAgainAfterASecondThenTwo) {
  add(1);
  channel.start();
  ASSERT_TRUE(answer(4, proto::FileRefuse{FileRefusal::busy}));
  EXPECT_TRUE(refused.empty());
  EXPECT_EQ(channel.deadline(), time + std::chrono::seconds(1));
  pass(std::chrono::milliseconds(999));
  EXPECT_EQ(under_way(), 0U);
  pass(std::chrono::milliseconds(1));
  ASSERT_EQ(under_way(), 1U);
  ASSERT_TRUE(answer(5, proto::FileRefuse{FileRefusal::busy}));
  EXPECT_EQ(channel.deadline(), time + std::chrono::seconds(2));
  channel.reap();
}

TEST_F(FileChannelTest, SaysARestartedEntryAnewOnAnotherStream) {
  add(1);
  channel.start();
  files[0].source.reset();
  channel.restart(files[0].offer.id);
  EXPECT_TRUE(quic.resets.contains(net::StreamId{4}));
  EXPECT_EQ(only<proto::FileWithdraw>(net::StreamId{5}, 1).id[0], 1);
  channel.reap();
}

TEST_F(FileChannelTest, OutcomesGoToTheirOwners) {
  add(1);
  add(2);
  channel.start();
  ASSERT_TRUE(answer(4, proto::FileRefuse{FileRefusal::quota}));
  EXPECT_EQ(refused, (std::vector<std::pair<int, FileRefusal>>{{1, FileRefusal::quota}}));
  files.erase(files.begin());
  ASSERT_TRUE(answer(5, proto::FileAccept{0, digest(0)}));
  auto& source = dynamic_cast<NotedSource&>(*files[0].source);
  source.begins[0].done(FileWithdrawal::unreadable);
  EXPECT_EQ(failed, (std::vector<std::pair<int, FileWithdrawal>>{{2, FileWithdrawal::unreadable}}));
}

}  // namespace
}  // namespace p2pd::peer
