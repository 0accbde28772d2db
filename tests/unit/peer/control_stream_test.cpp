#include "peer/control_stream.hpp"

#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "proto/error.hpp"
#include "tests/unit/peer/fake_quic.hpp"

namespace p2pd::peer {
namespace {

constexpr net::StreamId kId{0};

class ControlStreamTest : public testing::Test {
 protected:
  base::Result<> feed(const proto::ControlMessage& message) { return feed_bytes(proto::encode(message)); }
  base::Result<> feed_bytes(base::ByteView bytes) {
    return stream.receive(bytes, [this](const proto::ControlMessage& message) -> base::Result<> {
      received.push_back(message);
      return {};
    });
  }
  // What was written, read back.
  std::vector<proto::ControlMessage> sent() {
    proto::ControlDeframer deframer;
    deframer.feed(quic.take(kId));
    std::vector<proto::ControlMessage> out;
    while (true) {
      auto next = deframer.next();
      if (!next || !*next) return out;
      out.push_back(**next);
    }
  }

  FakeQuic quic;
  ControlStream stream{quic};
  std::vector<proto::ControlMessage> received;
};

TEST_F(ControlStreamTest, SaysHelloFirstThenWhatWaited) {
  EXPECT_TRUE(stream.send(proto::ControlPing{7}));
  EXPECT_TRUE(quic.written.empty());
  proto::ControlHello hello;
  hello.instance = 5;
  stream.attach(kId, hello);
  EXPECT_EQ(sent(), (std::vector<proto::ControlMessage>{hello, proto::ControlPing{7}}));
  EXPECT_TRUE(stream.is(kId));
}

TEST_F(ControlStreamTest, HandsOverWholeMessagesAndReturnsTheCredit) {
  stream.attach(kId, {});
  const base::Bytes hello = proto::encode(proto::ControlMessage(proto::ControlHello{}));
  const base::Bytes ping = proto::encode(proto::ControlMessage(proto::ControlPing{9}));
  base::Bytes both = hello;
  both.insert(both.end(), ping.begin(), ping.end());
  for (const std::uint8_t byte : both) ASSERT_TRUE(feed_bytes(std::array{byte}));
  EXPECT_EQ(received, (std::vector<proto::ControlMessage>{proto::ControlHello{}, proto::ControlPing{9}}));
  EXPECT_EQ(quic.consumed[kId], both.size());
}

TEST_F(ControlStreamTest, RefusesAFirstMessageThatIsNoHello) {
  stream.attach(kId, {});
  const base::Result<> result = feed(proto::ControlPing{1});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, proto::make_error_code(proto::FrameError::bad_value));
  EXPECT_TRUE(received.empty());
}

TEST_F(ControlStreamTest, RefusesASecondHello) {
  stream.attach(kId, {});
  EXPECT_TRUE(feed(proto::ControlHello{}));
  EXPECT_FALSE(feed(proto::ControlHello{}));
}

TEST_F(ControlStreamTest, RefusesAFrameOverTheLimitBeforeItIsThere) {
  stream.attach(kId, {});
  EXPECT_FALSE(feed_bytes(std::array<std::uint8_t, 2>{0xff, 0xff}));
}

TEST_F(ControlStreamTest, StopsAtAPeerThatDoesNotRead) {
  stream.attach(kId, {});
  bool taken = true;
  for (int i = 0; i < 100'000 && taken; ++i) taken = stream.send(proto::ControlPong{1});
  EXPECT_FALSE(taken);
  EXPECT_LE(quic.written[kId].size(), ControlStream::kMaxUnacknowledged + 100);
}

}  // namespace
}  // namespace p2pd::peer
