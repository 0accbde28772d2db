#include "peer/service_channel.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/peer/fake_quic.hpp"

namespace p2pd::peer {
namespace {

constexpr net::StreamId kTheirs{9};

class NotedEnd final : public StreamEnd {
 public:
  void on_begun(ByteStream& begun) override { stream = &begun; }
  void on_open() override { ++opened; }
  void on_again() override { stream = nullptr; }
  void on_data(base::ByteView data, bool fin) override {
    heard += base::as_text(data);
    ended = ended || fin;
  }
  void on_room() override { ++rooms; }
  void on_stopped() override { ++stopped; }
  void on_over(StreamEnding ending) override {
    EXPECT_FALSE(over);
    over = ending;
    stream = nullptr;
  }

  ByteStream* stream = nullptr;
  int opened = 0;
  int rooms = 0;
  int stopped = 0;
  bool ended = false;
  std::string heard;
  std::optional<StreamEnding> over;
};

class ServiceChannelTest : public testing::Test, protected ServiceHost, protected ServiceSink {
 protected:
  void opened(const base::PeerId&, const std::string& service, Answer answer) override {
    asked.push_back(service);
    answers.push_back(std::move(answer));
  }
  void enter_service() override { ++depth; }
  void leave_service() override { --depth; }
  void own_stream(net::StreamId id, std::unique_ptr<StreamHandler> handler) override {
    streams[id] = std::move(handler);
  }
  void open_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) override {
    again.emplace_back(service, end);
  }

  ServiceHost& host() { return *this; }
  ServiceSink& sink() { return *this; }

  std::shared_ptr<NotedEnd> open(const std::string& service = "ssh") {
    auto end = std::make_shared<NotedEnd>();
    channel.open(service, end);
    return end;
  }
  static bool say(StreamHandler& stream, const base::Bytes& bytes, bool fin = false) {
    return stream.on_data(bytes, fin);
  }
  // One that the peer opened, up to the host's question.
  StreamHandler& incoming(const std::string& service = "ssh", net::StreamId id = kTheirs) {
    sink().own_stream(id, channel.receive(id));
    EXPECT_TRUE(say(*streams.at(id), proto::encode_service_open(service)));
    return *streams.at(id);
  }
  std::shared_ptr<NotedEnd> accept() {
    auto end = std::make_shared<NotedEnd>();
    end->stream = answers.back()(std::static_pointer_cast<StreamEnd>(end));
    return end;
  }

  FakeQuic quic;
  const base::PeerId peer{std::array<std::uint8_t, 32>{7}};
  std::map<net::StreamId, std::unique_ptr<StreamHandler>> streams;
  std::vector<std::string> asked;
  std::vector<Answer> answers;
  std::vector<std::pair<std::string, std::shared_ptr<StreamEnd>>> again;
  int depth = 0;
  ServiceChannel channel{quic, host(), peer, sink()};

  void TearDown() override {
    streams.clear();
    EXPECT_EQ(depth, 0);
  }
};

TEST_F(ServiceChannelTest, AnOpenedStreamNamesTheServiceAndIsRawBehindTheAnswer) {
  const auto end = open("ssh");
  ASSERT_NE(end->stream, nullptr);
  StreamHandler& stream = *streams.begin()->second;
  const net::StreamId id = streams.begin()->first;
  EXPECT_EQ(quic.take(id), (base::Bytes{3, 3, 's', 's', 'h'}));
  EXPECT_EQ(end->stream->room(), 0U);
  EXPECT_EQ(end->opened, 0);
  ASSERT_TRUE(say(stream, {0, 'h', 'i'}));
  EXPECT_EQ(end->opened, 1);
  EXPECT_EQ(end->heard, "hi");
  EXPECT_EQ(quic.consumed[id], 1U);
  end->stream->consume(2);
  EXPECT_EQ(quic.consumed[id], 3U);
  end->stream->write(base::as_bytes("there"));
  EXPECT_EQ(base::as_text(quic.take(id)), "there");
}

TEST_F(ServiceChannelTest, EachDirectionEndsByItselfAndBothMakeItFinished) {
  const auto end = open();
  StreamHandler& stream = *streams.begin()->second;
  ASSERT_TRUE(say(stream, {0}));
  end->stream->finish();
  EXPECT_EQ(quic.finished.size(), 1U);
  ASSERT_TRUE(say(stream, {'x'}, true));
  EXPECT_EQ(end->heard, "x");
  EXPECT_TRUE(end->ended);
  EXPECT_FALSE(end->over);
  stream.on_ended();
  EXPECT_EQ(end->over, StreamEnding::finished);
}

TEST_F(ServiceChannelTest, ARefusalIsToldAndNothingElse) {
  for (const auto& [answer, ending] : std::map<std::uint8_t, StreamEnding>{{1, StreamEnding::no_such_service},
                                                                           {2, StreamEnding::not_permitted},
                                                                           {3, StreamEnding::refused},
                                                                           {4, StreamEnding::busy}}) {
    const auto end = open();
    StreamHandler& stream = *std::prev(streams.end())->second;
    ASSERT_TRUE(say(stream, {answer}, true));
    EXPECT_EQ(end->over, ending);
    EXPECT_EQ(end->opened, 0);
    stream.on_ended();
  }
}

TEST_F(ServiceChannelTest, BrokenOpeningsAndAnswersBreakTheProtocol) {
  open();
  EXPECT_FALSE(say(*streams.begin()->second, {5}));
  streams.clear();
  sink().own_stream(kTheirs, channel.receive(kTheirs));
  EXPECT_FALSE(say(*streams.at(kTheirs), {0}));
  EXPECT_TRUE(asked.empty());
}

TEST_F(ServiceChannelTest, TheHostDecidesAndEarlyBytesWaitForIt) {
  StreamHandler& stream = incoming("web");
  EXPECT_EQ(asked, std::vector<std::string>{"web"});
  ASSERT_TRUE(say(stream, {'a', 'b'}));
  EXPECT_EQ(quic.consumed[kTheirs], 4U);  // the opening alone
  const auto end = accept();
  ASSERT_NE(end->stream, nullptr);
  EXPECT_EQ(quic.take(kTheirs), base::Bytes{0});
  EXPECT_EQ(end->heard, "ab");
  ASSERT_TRUE(say(stream, {'c'}, true));
  EXPECT_EQ(end->heard, "abc");
}

TEST_F(ServiceChannelTest, ARefusedStreamDropsWhatComes) {
  StreamHandler& stream = incoming();
  EXPECT_EQ(answers.back()(proto::ServiceRefusal::not_permitted), nullptr);
  EXPECT_EQ(quic.take(kTheirs), base::Bytes{2});
  EXPECT_EQ(quic.finished.size(), 1U);
  quic.consumed.clear();
  ASSERT_TRUE(say(stream, base::Bytes(100, 'x')));
  EXPECT_EQ(quic.consumed[kTheirs], 100U);
}

TEST_F(ServiceChannelTest, AnAnswerForAStreamThatIsGoneIsVoid) {
  incoming();
  streams.clear();
  EXPECT_EQ(accept()->stream, nullptr);
}

TEST_F(ServiceChannelTest, EnoughUnsentBytesStopTheWriterUntilTheyWent) {
  const auto end = open();
  const net::StreamId id = streams.begin()->first;
  ASSERT_TRUE(say(*streams.begin()->second, {0}));
  quic.take(id);
  const std::size_t room = end->stream->room();
  EXPECT_EQ(room, ServiceChannel::kMostUnsent);
  end->stream->write(base::Bytes(room));
  EXPECT_EQ(end->stream->room(), 0U);
  channel.refill();
  EXPECT_EQ(end->rooms, 0);
  quic.take(id);
  channel.refill();
  EXPECT_EQ(end->rooms, 1);
  channel.refill();
  EXPECT_EQ(end->rooms, 1);
  EXPECT_EQ(end->stream->room(), room);
}

TEST_F(ServiceChannelTest, ManyStreamsShareTheBound) {
  std::vector<std::shared_ptr<NotedEnd>> ends;
  for (int i = 0; i < 1'000; ++i) ends.push_back(open());
  StreamHandler& stream = *streams.begin()->second;
  ASSERT_TRUE(say(stream, {0}));
  EXPECT_LT(ends.front()->stream->room(), 2 * ServiceChannel::kUnsent / 1'000);
  EXPECT_GE(ends.front()->stream->room(), ServiceChannel::kLeastUnsent - 10);
}

TEST_F(ServiceChannelTest, CreditGoesBackOnlyAsBytesGoOn) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  quic.consumed.clear();
  ASSERT_TRUE(say(stream, base::Bytes(1'000)));
  EXPECT_EQ(quic.consumed[kTheirs], 0U);
  end->stream->consume(400);
  EXPECT_EQ(quic.consumed[kTheirs], 400U);
  end->stream->consume(10'000);  // never more than came
  EXPECT_EQ(quic.consumed[kTheirs], 1'000U);
}

TEST_F(ServiceChannelTest, AResetReachesTheEndAndEndsTheOtherDirection) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  stream.on_refused(static_cast<std::uint64_t>(net::CloseCode::cancelled));
  EXPECT_EQ(end->over, StreamEnding::reset);
  EXPECT_TRUE(quic.resets.contains(kTheirs));
}

TEST_F(ServiceChannelTest, APermissionThatIsTakenAwayIsToldAsSuch) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  stream.on_refused(static_cast<std::uint64_t>(net::CloseCode::refused));
  EXPECT_EQ(end->over, StreamEnding::not_permitted);
}

TEST_F(ServiceChannelTest, WhoWantsNoMoreStillSaysAll) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  quic.consumed.clear();
  ASSERT_TRUE(say(stream, base::Bytes(10)));
  end->stream->stop();
  EXPECT_TRUE(quic.stops.contains(kTheirs));
  EXPECT_EQ(quic.consumed[kTheirs], 10U);
  ASSERT_TRUE(say(stream, base::Bytes(5)));
  EXPECT_EQ(quic.consumed[kTheirs], 15U);
  // The peer's answer to that is no end of what is said here.
  stream.on_refused(static_cast<std::uint64_t>(net::CloseCode::cancelled));
  EXPECT_FALSE(end->over);
  end->stream->finish();
  EXPECT_EQ(quic.finished.size(), 1U);
  stream.on_ended();
  EXPECT_EQ(end->over, StreamEnding::finished);
}

TEST_F(ServiceChannelTest, WhoWantsNoMoreHasFinishedThoughTheOtherEndsWordNeverComes) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  end->stream->stop();
  end->stream->finish();
  // QUIC passes nothing on that is not wanted, no end either.
  stream.on_ended();
  EXPECT_EQ(end->over, StreamEnding::finished);
}

TEST_F(ServiceChannelTest, AResetThatOvertakesTheAnswerSaysWhatItMeans) {
  for (const auto& [code, ending] : {std::pair(net::CloseCode::refused, StreamEnding::not_permitted),
                                     std::pair(net::CloseCode::cancelled, StreamEnding::refused)}) {
    const auto end = open();
    streams.rbegin()->second->on_refused(static_cast<std::uint64_t>(code));
    EXPECT_EQ(end->over, ending);
  }
}

TEST_F(ServiceChannelTest, AStoppedDirectionLeavesTheOther) {
  StreamHandler& stream = incoming();
  const auto end = accept();
  stream.on_stopped(0);
  EXPECT_EQ(end->stopped, 1);
  EXPECT_EQ(end->stream->room(), 0U);
  ASSERT_TRUE(say(stream, {'x'}, true));
  EXPECT_EQ(end->heard, "x");
  stream.on_ended();
  EXPECT_EQ(end->over, StreamEnding::reset);
}

TEST_F(ServiceChannelTest, WithTheConnectionStreamsEndForItsReason) {
  const auto lost = open();
  channel.set_ending(StreamEnding::connection_lost);
  streams.clear();
  EXPECT_EQ(lost->over, StreamEnding::connection_lost);
  incoming();
  const auto end = accept();
  channel.set_ending(StreamEnding::peer_restarted);
  streams.clear();
  EXPECT_EQ(end->over, StreamEnding::peer_restarted);
  EXPECT_TRUE(again.empty());
}

TEST_F(ServiceChannelTest, WhatWasNotAnsweredBeginsAgainOnTheConnectionThatReplacesThisOne) {
  const auto end = open("ssh");
  channel.set_ending(StreamEnding::peer_restarted);
  streams.clear();
  EXPECT_FALSE(end->over);
  EXPECT_EQ(end->stream, nullptr);
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].first, "ssh");
  EXPECT_EQ(again[0].second, end);
}

TEST_F(ServiceChannelTest, AnEndThatResetsHearsNoMore) {
  const auto end = open();
  end->stream->reset(net::CloseCode::cancelled);
  EXPECT_EQ(quic.resets.begin()->second, net::CloseCode::cancelled);
  streams.clear();
  EXPECT_FALSE(end->over);
  EXPECT_EQ(end.use_count(), 1);
}

TEST_F(ServiceChannelTest, TooManyStreamsAreRefusedAtBothEnds) {
  quic.may_open = false;
  EXPECT_EQ(open()->over, StreamEnding::busy);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(ServiceChannel::kMaxStreams); ++i) {
    incoming("ssh", net::StreamId{1'001 + 4 * i});
  }
  EXPECT_EQ(asked.size(), ServiceChannel::kMaxStreams);
  incoming();
  EXPECT_EQ(asked.size(), ServiceChannel::kMaxStreams);
  EXPECT_EQ(quic.take(kTheirs), base::Bytes{4});
}

TEST_F(ServiceChannelTest, WithTooMuchUnreadNoStreamIsAccepted) {
  StreamHandler& stream = incoming("ssh", net::StreamId{13});
  const auto end = accept();
  const base::Bytes block(16 * 1024 * 1024);
  for (std::size_t sum = 0; sum <= ServiceChannel::kMaxUnread; sum += block.size()) {
    end->heard.clear();
    ASSERT_TRUE(stream.on_data(block, false));
  }
  incoming();
  EXPECT_EQ(quic.take(kTheirs), base::Bytes{4});
  end->stream->stop();
  incoming("ssh", net::StreamId{17});
  EXPECT_EQ(asked.size(), 2U);
}

TEST_F(ServiceChannelTest, WhatComesBeforeTheHostsWordIsBoundedOverAllStreams) {
  StreamHandler& first = incoming("ssh", net::StreamId{13});
  StreamHandler& second = incoming("ssh", net::StreamId{17});
  ASSERT_TRUE(say(first, base::Bytes(ServiceChannel::kMaxUnread)));
  EXPECT_TRUE(quic.take(net::StreamId{13}).empty());
  quic.consumed.clear();
  ASSERT_TRUE(say(second, base::Bytes(1)));
  EXPECT_EQ(quic.take(net::StreamId{17}), base::Bytes{4});
  EXPECT_EQ(quic.consumed[net::StreamId{17}], 1U);
  EXPECT_EQ(answers[1](proto::ServiceRefusal::refused), nullptr);
  EXPECT_TRUE(quic.take(net::StreamId{17}).empty());

  // Passed on it counts once, and not at all when it was read.
  auto end = std::make_shared<NotedEnd>();
  end->stream = answers[0](std::static_pointer_cast<StreamEnd>(end));
  ASSERT_NE(end->stream, nullptr);
  end->stream->consume(1);
  ASSERT_TRUE(say(incoming("ssh", net::StreamId{21}), base::Bytes(1)));
  EXPECT_TRUE(quic.take(net::StreamId{21}).empty());
  ASSERT_TRUE(say(incoming("ssh", net::StreamId{25}), base::Bytes(1)));
  EXPECT_EQ(quic.take(net::StreamId{25}), base::Bytes{4});
  end->stream->consume(ServiceChannel::kMaxUnread);
  ASSERT_TRUE(say(incoming("ssh", net::StreamId{29}), base::Bytes(100)));
  EXPECT_TRUE(quic.take(net::StreamId{29}).empty());
}

}  // namespace
}  // namespace p2pd::peer
