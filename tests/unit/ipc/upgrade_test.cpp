// Methods that make their connection a byte stream.
#include <future>

#include <unistd.h>

#include "tests/unit/ipc/server_fixture.hpp"

namespace p2pd::ipc::testing {
namespace {

class UpgradeTest : public ServerTest {
 protected:
  void start() {
    server_.emplace([this](MethodTable& table) {
      add_methods(table);
      Method stream;
      stream.name = "stream";
      stream.params = {{"refuse", Type::boolean, Presence::optional, ""}};
      stream.upgrades = true;
      stream.handler = [this](Request request, Responder responder) {
        if (request.take_descriptor()) return responder.ok({{"descriptor", true}});
        if (request.boolean("refuse").value_or(false)) return responder.error(ErrorCode::refused, "no");
        const auto outlet = request.outlet().lock();
        outlet->hand_over([this](base::Descriptor socket, base::Bytes early) {
          taken_.set_value({std::move(socket), std::string(base::as_text(early))});
        });
        responder.ok({{"stream", 1}});
      };
      table.add(std::move(stream));
      Method waiting;
      waiting.name = "waiting";
      waiting.upgrades = true;
      waiting.handler = [this](const Request& request, Responder responder) {
        request.outlet().lock()->when_gone([this] { gone_.set_value(); });
        kept_.push_back(std::move(responder));
      };
      table.add(std::move(waiting));
    });
  }

  struct Taken {
    base::Descriptor socket;
    std::string early;
  };
  std::promise<Taken> taken_;
  std::promise<void> gone_;
};

TEST_F(UpgradeTest, TheConnectionIsHandedOverBehindItsAnswerWithWhatFollowedTheRequest) {
  start();
  fakes::RawClient client(path());
  client.send(request(7, "stream") + "\nfirst bytes\nof the stream");
  const Answer answered = answer(client.line());
  EXPECT_EQ(answered.id, "7");
  EXPECT_FALSE(answered.error);
  Taken taken = taken_.get_future().get();
  ASSERT_TRUE(taken.socket);
  EXPECT_EQ(taken.early, "first bytes\nof the stream");
  ASSERT_EQ(::write(taken.socket.get(), "back\n", 5), 5);
  EXPECT_EQ(client.line(), "back");
  taken.socket.reset();
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(UpgradeTest, AfterARefusalTheConnectionIsClosedAndNothingBehindItIsARequest) {
  start();
  fakes::RawClient client(path());
  client.send(request(1, "stream", {{"refuse", true}}) + "\n" + request(2, "echo", {{"text", "x"}}) + "\n");
  EXPECT_EQ(code(client.line()), ErrorCode::refused);
  EXPECT_EQ(client.line(), std::nullopt);
  // Neither after parameters that the method does not take.
  fakes::RawClient other(path());
  other.send(request(1, "stream", {{"refuse", 5}}) + "\n" + request(2, "echo", {{"text", "x"}}) + "\n");
  EXPECT_EQ(code(other.line()), ErrorCode::invalid_params);
  EXPECT_EQ(other.line(), std::nullopt);
}

TEST_F(UpgradeTest, ItHasToBeTheOnlyCallOfItsConnection) {
  start();
  fakes::RawClient batch(path());
  batch.send_line("[" + request(1, "stream") + "," + request(2, "echo", {{"text", "x"}}) + "]");
  const auto line = batch.line();
  ASSERT_TRUE(line);
  EXPECT_THAT(*line, ::testing::HasSubstr("batch"));
  EXPECT_THAT(*line, ::testing::HasSubstr("\"text\":\"x\""));

  fakes::RawClient busy(path());
  busy.send_line(request(1, "later.keep"));
  busy.send_line(request(2, "stream"));
  EXPECT_EQ(code(busy.line()), ErrorCode::invalid_request);

  fakes::RawClient subscribed(path());
  subscribed.send_line(request(1, "hold"));
  EXPECT_FALSE(answer(subscribed.line()).error);
  subscribed.send_line(request(2, "stream"));
  EXPECT_EQ(code(subscribed.line()), ErrorCode::invalid_request);
  EXPECT_EQ(subscribed.line(), std::nullopt);
}

TEST_F(UpgradeTest, WithADescriptorTheConnectionStaysWhatItIs) {
  start();
  fakes::RawClient client(path());
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_TRUE(client.send_with(request(1, "stream") + "\n", ends[0]));
  EXPECT_FALSE(answer(client.line()).error);
  client.send_line(request(2, "echo", {{"text", "still here"}}));
  EXPECT_FALSE(answer(client.line()).error);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(UpgradeTest, AClientThatGoesWhileItWaitsIsNoticed) {
  start();
  auto gone = gone_.get_future();
  {
    fakes::RawClient client(path());
    // Bytes for the stream lie unread, and its sending side is closed: it is still there.
    client.send(request(1, "waiting") + "\nbytes");
    client.shutdown_send();
    fakes::RawClient other(path());
    other.send_line(request(1, "echo", {{"text", "x"}}));
    EXPECT_FALSE(answer(other.line()).error);
    EXPECT_EQ(gone.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  }
  EXPECT_EQ(gone.wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

}  // namespace
}  // namespace p2pd::ipc::testing
