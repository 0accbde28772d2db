// A LocalStream between a socket pair and a stream that only takes notes.
#include "daemon/local_stream.hpp"

#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace p2pd::daemon {
namespace {

using peer::StreamEnding;

class NotedStream final : public peer::ByteStream {
 public:
  std::size_t room() override { return left; }
  void write(base::ByteView data) override {
    written += base::as_text(data);
    left -= std::min(left, data.size());
  }
  void finish() override { finished = true; }
  void stop() override { stopped = true; }
  void reset(net::CloseCode code) override { reset_with = code; }
  void consume(std::size_t count) override { consumed += count; }

  std::size_t left = 1 << 20;
  std::string written;
  bool finished = false;
  bool stopped = false;
  std::optional<net::CloseCode> reset_with;
  std::size_t consumed = 0;
};

class LocalStreamTest : public testing::Test {
 protected:
  LocalStreamTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    program.reset(ends[0]);
    socket.reset(ends[1]);
    local = std::make_shared<LocalStream>(
        shared, [this] { ++opened; }, [this](const LocalStream::Outcome& outcome) { over = outcome; });
  }

  // Everything that can be done is done.
  void run() {
    shared.io.restart();
    while (shared.io.poll() > 0) {
    }
  }
  void begin(const std::string& early = {}) {
    local->on_begun(stream);
    local->on_open();
    local->begin(std::move(socket), base::Bytes(early.begin(), early.end()));
    run();
  }
  void say(const std::string& text) const {
    ASSERT_EQ(::send(program.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // What the program reads now; "EOF" at the end.
  std::string hear() const {
    std::string out(1 << 20, '\0');
    const ssize_t count = ::recv(program.get(), out.data(), out.size(), MSG_DONTWAIT);
    if (count == 0) return "EOF";
    out.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return out;
  }

  boost::asio::io_context io{1};
  LocalStream::Shared shared{io, base::Bytes(64 * 1024)};
  base::Descriptor program;
  base::Descriptor socket;
  NotedStream stream;
  int opened = 0;
  std::optional<LocalStream::Outcome> over;
  std::shared_ptr<LocalStream> local;
};

TEST_F(LocalStreamTest, CarriesBytesBothWaysTheEarlyOnesFirst) {
  say("second");
  begin("first ");
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(stream.written, "first second");
  local->on_data(base::as_bytes("back"), false);
  run();
  EXPECT_EQ(hear(), "back");
  EXPECT_EQ(stream.consumed, 4U);
  say("third");
  run();
  EXPECT_EQ(stream.written, "first secondthird");
}

TEST_F(LocalStreamTest, WhatComesBeforeTheSocketWaitsForIt) {
  local->on_begun(stream);
  local->on_open();
  local->on_data(base::as_bytes("early"), true);
  run();
  EXPECT_EQ(stream.consumed, 0U);
  local->begin(std::move(socket), {});
  run();
  EXPECT_EQ(hear(), "early");
  EXPECT_EQ(hear(), "EOF");
  EXPECT_FALSE(stream.finished);  // the other direction goes on
  say("late");
  run();
  EXPECT_EQ(stream.written, "late");
}

TEST_F(LocalStreamTest, BothEndsMakeAnOutcome) {
  begin();
  say("question");
  ::shutdown(program.get(), SHUT_WR);
  run();
  EXPECT_TRUE(stream.finished);
  EXPECT_FALSE(over);
  local->on_data(base::as_bytes("answer"), true);
  run();
  EXPECT_EQ(hear(), "answer");
  EXPECT_EQ(hear(), "EOF");
  EXPECT_FALSE(over);
  local->on_over(StreamEnding::finished);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->ending, StreamEnding::finished);
  EXPECT_EQ(over->sent, 8U);
  EXPECT_EQ(over->received, 6U);
}

TEST_F(LocalStreamTest, ItReadsOnlyWhileThereIsRoom) {
  stream.left = 10;
  begin();
  say("0123456789abcdef");
  run();
  EXPECT_EQ(stream.written, "0123456789");
  stream.left = 100;
  run();
  EXPECT_EQ(stream.written, "0123456789");
  local->on_room();
  run();
  EXPECT_EQ(stream.written, "0123456789abcdef");
}

TEST_F(LocalStreamTest, CreditGoesBackAsTheProgramReads) {
  begin();
  const std::string block(1 << 16, 'x');
  std::size_t given = 0;
  while (stream.consumed == given) {
    local->on_data(base::as_bytes(block), false);
    given += block.size();
    run();
    ASSERT_LT(given, 64U << 20);
  }
  const std::size_t before = stream.consumed;
  EXPECT_LT(before, given);
  EXPECT_FALSE(hear().empty());
  run();
  EXPECT_GT(stream.consumed, before);
}

TEST_F(LocalStreamTest, WhatIsThereIsDeliveredAfterTheStreamHasFinished) {
  begin();
  std::string all;
  for (int i = 0; i < 64; ++i) all += std::string(1 << 16, static_cast<char>('a' + i % 26));
  local->on_data(base::as_bytes(all), true);
  ::shutdown(program.get(), SHUT_WR);
  run();
  local->on_over(StreamEnding::finished);
  EXPECT_FALSE(over);
  std::string heard;
  for (std::string part = hear(); part != "EOF"; part = hear()) {
    heard += part;
    run();
  }
  EXPECT_EQ(heard, all);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->received, all.size());
}

TEST_F(LocalStreamTest, AProgramThatReadsNoMoreStillSaysAll) {
  begin();
  say("last words");
  ::shutdown(program.get(), SHUT_RDWR);
  local->on_data(base::as_bytes("unheard"), false);
  run();
  EXPECT_TRUE(stream.stopped);
  EXPECT_EQ(stream.written, "last words");
  EXPECT_TRUE(stream.finished);
  EXPECT_FALSE(stream.reset_with);
}

TEST_F(LocalStreamTest, TheEndOfTheConnectionClosesTheSocket) {
  begin();
  local->on_data(base::as_bytes("x"), false);
  local->on_over(StreamEnding::peer_restarted);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->ending, StreamEnding::peer_restarted);
  EXPECT_EQ(hear(), "EOF");
  run();
}

TEST_F(LocalStreamTest, EndedFromHereThePeerSeesAReset) {
  begin();
  local->end(StreamEnding::not_permitted, net::CloseCode::refused);
  EXPECT_EQ(stream.reset_with, net::CloseCode::refused);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->ending, StreamEnding::not_permitted);
  EXPECT_EQ(hear(), "EOF");
}

TEST_F(LocalStreamTest, WithoutAClientThereIsNoStream) {
  local->on_begun(stream);
  local->on_open();
  local->begin({}, {});
  EXPECT_EQ(stream.reset_with, net::CloseCode::cancelled);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->ending, StreamEnding::cancelled);
}

TEST_F(LocalStreamTest, AStoppedPeerIsReadFromNoMore) {
  begin();
  local->on_stopped();
  EXPECT_EQ(::send(program.get(), "x", 1, MSG_NOSIGNAL), -1);
  local->on_data(base::as_bytes("still"), true);
  run();
  EXPECT_EQ(hear(), "still");
  EXPECT_EQ(hear(), "EOF");
}

}  // namespace
}  // namespace p2pd::daemon
