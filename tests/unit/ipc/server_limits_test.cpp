// What one client may take of the server, and what becomes of the others when it takes more.
#include <atomic>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>

#include "ipc/server.hpp"
#include "tests/unit/ipc/server_fixture.hpp"

namespace p2pd::ipc::testing {
namespace {

using fakes::RawClient;
using std::chrono::milliseconds;

class ServerLimitsTest : public ServerTest {};

TEST_F(ServerLimitsTest, ClosesAHalfSentRequestAtItsDeadline) {
  ServerOptions options;
  options.half_sent = milliseconds(30);
  start(std::move(options));
  RawClient client(path());
  client.send("{");
  EXPECT_EQ(code(client.line()), ErrorCode::timeout);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerLimitsTest, ClosesIdleClientsButNotSubscribersAndNotThoseWhoWait) {
  ServerOptions options;
  options.idle = milliseconds(30);
  start(std::move(options));
  RawClient waiting(path());
  waiting.send_line(request(1, "later.keep"));
  RawClient subscriber(path());
  subscriber.send_line(request(1, "hold"));
  EXPECT_FALSE(answer(subscriber.line()).error);
  RawClient idle(path());
  EXPECT_EQ(idle.line(), std::nullopt);
  RawClient idle_too(path());
  EXPECT_EQ(idle_too.line(), std::nullopt);
  subscriber.send_line(request(2, "later.release"));
  EXPECT_FALSE(answer(subscriber.line()).error);
  EXPECT_FALSE(answer(waiting.line()).error);
  server_->run([&] { outlet_.lock()->release(); });
  EXPECT_EQ(subscriber.line(), std::nullopt);
}

TEST_F(ServerLimitsTest, RefusesOneClientTooManyAndTakesTheNextWhenOneLeaves) {
  ServerOptions options;
  options.max_clients = 2;
  start(std::move(options));
  RawClient first(path());
  first.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(first.line()).error);
  {
    RawClient second(path());
    second.send_line(request(1, "echo", {{"text", "x"}}));
    EXPECT_FALSE(answer(second.line()).error);
    RawClient third(path());
    EXPECT_EQ(code(third.line()), ErrorCode::busy);
    EXPECT_EQ(third.line(), std::nullopt);
  }
  while (server_->clients() > 1) std::this_thread::yield();
  RawClient fourth(path());
  fourth.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(fourth.line()).error);
}

TEST_F(ServerLimitsTest, OthersCannotTakeThePlacesOfAdministrators) {
  std::atomic<Tier> tier = Tier::operate;
  ServerOptions options;
  options.max_clients = 3;
  options.reserved_clients = 2;
  options.authorise = [&tier](const Credentials&) -> std::optional<Tier> { return tier.load(); };
  start(std::move(options));
  RawClient first(path());
  first.send_line(request(1, "rpc.discover"));
  EXPECT_FALSE(answer(first.line()).error);
  RawClient second(path());
  EXPECT_EQ(code(second.line()), ErrorCode::busy);
  tier = Tier::admin;
  RawClient administrator(path());
  administrator.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(administrator.line()).error);
}

TEST_F(ServerLimitsTest, RefusesUsersItDoesNotServe) {
  ServerOptions options;
  options.authorise = [](const Credentials& who) -> std::optional<Tier> {
    EXPECT_EQ(who.uid, ::geteuid());
    std::vector<gid_t> groups(65536);
    groups.resize(static_cast<std::size_t>(::getgroups(static_cast<int>(groups.size()), groups.data())));
    EXPECT_EQ(who.groups, groups);
    return std::nullopt;
  };
  start(std::move(options));
  RawClient client(path());
  EXPECT_EQ(code(client.line()), ErrorCode::not_permitted);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerLimitsTest, HoldsClientsToTheirTier) {
  ServerOptions options;
  options.authorise = [](const Credentials&) { return Tier::read; };
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "echo", {{"text", "x"}}));  // admin, as rows are by default
  const Answer refused = answer(client.line());
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->code, ErrorCode::not_permitted);
  EXPECT_THAT(refused.error->message, ::testing::HasSubstr("admin-user or admin-group"));
  client.send_line(request(1, "rpc.discover"));
  EXPECT_FALSE(answer(client.line()).error);
}

TEST_F(ServerLimitsTest, DisconnectsAClientThatDoesNotReadAndServesTheOthers) {
  ServerOptions options;
  options.soft_output = 100'000'000;
  options.hard_output = 4'000'000;
  start(std::move(options));
  RawClient slow(path());
  for (int i = 0; i < 10; ++i) slow.send_line(request(i, "size", {{"bytes", 1'000'000}}));
  RawClient other(path());
  other.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(other.line()).error);
  while (server_->clients() > 1) std::this_thread::yield();
  EXPECT_LT(slow.rest().size(), 10'000'000U);
}

TEST_F(ServerLimitsTest, AFloodOfNotificationsDoesNotStarveOthers) {
  start();
  RawClient flooder(path());
  std::atomic<bool> over = false;
  std::thread flood([&] {
    std::string many;
    for (int i = 0; i < 1000; ++i)
      many += R"({"jsonrpc":"2.0","method":"none"})"
              "\n";
    while (!over && flooder.send(many)) {
    }
  });
  RawClient other(path());
  for (int i = 0; i < 20; ++i) {
    other.send_line(request(i, "echo", {{"text", "x"}}));
    EXPECT_EQ(answer(other.line()).id, std::to_string(i));
  }
  over = true;
  flood.join();
}

TEST_F(ServerLimitsTest, ReadsNoRequestsOfAClientWithTooMuchUnread) {
  ServerOptions options;
  options.soft_output = 1'000'000;
  options.hard_output = 3'000'000;  // ten answers at once would break it
  start(std::move(options));
  RawClient client(path());
  for (int i = 0; i < 10; ++i) client.send_line(request(i, "size", {{"bytes", 1'000'000}}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(answer(client.line()).id, std::to_string(i));
}

TEST_F(ServerLimitsTest, DisconnectsAClientThatStopsReading) {
  ServerOptions options;
  options.unread = milliseconds(30);
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "size", {{"bytes", 10'000'000}}));
  // The answer has begun to come, so the client was there; it is read only after the server gave up on it.
  char byte = 0;
  EXPECT_EQ(::recv(client.fd(), &byte, 1, 0), 1);
  while (server_->clients() > 0) std::this_thread::yield();
  EXPECT_LT(client.rest().size(), 10'000'000U);
}

TEST_F(ServerLimitsTest, SendsAnAnswerLargerThanItsLimits) {
  ServerOptions options;
  options.soft_output = 1000;
  options.hard_output = 2000;
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "size", {{"bytes", 5'000'000}}));
  EXPECT_GT(client.line().value_or("").size(), 5'000'000U);
}

TEST_F(ServerLimitsTest, OutletSaysWhenTheClientHasTooMuchUnread) {
  ServerOptions options;
  options.soft_output = 1'000'000;
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "hold"));
  EXPECT_FALSE(answer(client.line()).error);
  int sent = 0;
  server_->run([&] {
    const auto outlet = outlet_.lock();
    const json params = {{"data", std::string(100'000, 'x')}};
    while (sent < 1000 && outlet->notify("event", params)) ++sent;
    outlet->notify_last("event", {{"last", true}});
  });
  EXPECT_GE(sent, 10);
  EXPECT_LT(sent, 1000);
  for (int i = 0; i < sent; ++i) EXPECT_EQ(answer(client.line()).method, "event");
  EXPECT_EQ(*answer(client.line()).value, (json{{"last", true}}));
}

TEST_F(ServerLimitsTest, KeepsAcceptingAfterItRanOutOfDescriptors) {
  start();
  RawClient dropped;
  RawClient served;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  std::vector<base::Descriptor> fill;
  rlimit few = before;
  few.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  for (;;) {
    base::Descriptor fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!fd) break;
    fill.push_back(std::move(fd));
  }
  dropped.connect(path());
  EXPECT_EQ(dropped.line(), std::nullopt);
  fill.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  served.connect(path());
  served.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(served.line()).error);
}

}  // namespace
}  // namespace p2pd::ipc::testing
