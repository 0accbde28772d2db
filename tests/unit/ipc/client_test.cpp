#include "ipc/client.hpp"

#include <atomic>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/un.h>

#include "ipc/events.hpp"
#include "tests/fakes/api_server.hpp"

namespace p2pd::ipc {
namespace {

using fakes::ApiServer;
using fakes::TempFolder;
using nlohmann::json;
using Kind = CallError::Kind;

base::TimePoint soon() { return base::Clock::now() + std::chrono::seconds(20); }
base::TimePoint at_once() { return base::Clock::now(); }

// Echoes; never answers; sends two notifications before its answer.
void add_methods(MethodTable& table) {
  Method echo;
  echo.name = "echo";
  echo.params = {{"text", Type::text, Presence::required, ""}};
  echo.handler = [](const Request& request, Responder responder) { responder.ok(request.params()); };
  table.add(std::move(echo));
  Method never;
  never.name = "never";
  never.handler = [kept = std::make_shared<std::vector<Responder>>()](const Request&, Responder responder) {
    kept->push_back(std::move(responder));
  };
  table.add(std::move(never));
  Method notify;
  notify.name = "notify";
  notify.handler = [](const Request& request, Responder responder) {
    for (int i = 1; i <= 2; ++i) {
      EXPECT_TRUE(request.outlet().lock()->notify("event", {{"seq", i}}));
    }
    responder.ok();
  };
  table.add(std::move(notify));
}

TEST(Client, CallsAndGetsTheResult) {
  ApiServer server(add_methods);
  CallResult<Client> client = Client::connect(server.path());
  ASSERT_TRUE(client);
  const std::string large(1'900'000, 'x');
  for (const std::string& text : {std::string("one"), large}) {
    const auto result = client->call("echo", {{"text", text}}, soon());
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(**result, (json{{"text", text}}));
  }
}

TEST(Client, GivesTheDaemonsErrorAsItIs) {
  ApiServer server(add_methods);
  CallResult<Client> client = Client::connect(server.path());
  const auto result = client->call("echo", json::object(), soon());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::refused);
  EXPECT_EQ(result.error().api.code, ErrorCode::invalid_params);
  EXPECT_EQ(result.error().api.reason, "invalid_params");
}

TEST(Client, GivesUpAtTheDeadlineAndCanGoOn) {
  ApiServer server(add_methods);
  CallResult<Client> client = Client::connect(server.path());
  const auto late = client->call("never", json::object(), at_once());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, Kind::timeout);
  EXPECT_TRUE(client->call("echo", {{"text", "x"}}, soon()));
}

TEST(Client, KeepsNotificationsInOrderWhileACallWaits) {
  ApiServer server(add_methods);
  CallResult<Client> client = Client::connect(server.path());
  ASSERT_TRUE(client->call("notify", json::object(), soon()));
  for (int i = 1; i <= 2; ++i) {
    const CallResult<Notification> got = client->next(soon());
    ASSERT_TRUE(got);
    EXPECT_EQ(got->method, "event");
    EXPECT_EQ((*got->params)["seq"], i);
  }
  EXPECT_EQ(client->next(at_once()).error().kind, Kind::timeout);
}

TEST(Client, TellsThatNoDaemonIsThere) {
  TempFolder folder;
  EXPECT_EQ(Client::connect(folder / "p2pd.sock").error().kind, Kind::no_daemon);
  std::ofstream(folder / "file") << "x";
  EXPECT_EQ(Client::connect(folder / "file").error().kind, Kind::no_daemon);
  EXPECT_EQ(Client::connect(folder / "file/p2pd.sock").error().kind, Kind::no_daemon);
  EXPECT_EQ(Client::connect(folder / std::string(200, 'x')).error().kind, Kind::no_daemon);
}

TEST(Client, TellsThatTheDaemonWentAway) {
  ApiServer server(add_methods);
  CallResult<Client> client = Client::connect(server.path());
  ASSERT_TRUE(client->call("echo", {{"text", "x"}}, soon()));
  server.stop();
  EXPECT_EQ(client->next(soon()).error().kind, Kind::disconnected);
  EXPECT_EQ(client->call("echo", {{"text", "x"}}, soon()).error().kind, Kind::disconnected);
}

TEST(Client, PassesOnWhyItWasNotLetIn) {
  ServerOptions options;
  options.authorise = [](const Credentials&) { return std::optional<Tier>(); };
  ApiServer server(add_methods, std::move(options));
  CallResult<Client> client = Client::connect(server.path());
  const auto result = client->call("echo", {{"text", std::string(1'000'000, 'x')}}, soon());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Kind::refused);
  EXPECT_EQ(result.error().api.code, ErrorCode::not_permitted);
}

TEST(Client, NoticesThatTheOtherEndIsNoP2pd) {
  TempFolder folder;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder / "other.sock";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const base::Descriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  CallResult<Client> client = Client::connect(path);
  ASSERT_TRUE(client);
  const base::Descriptor other(::accept(listener.get(), nullptr, nullptr));
  constexpr std::string_view kGreeting = "220 mail.example ESMTP\n";
  ASSERT_EQ(::send(other.get(), kGreeting.data(), kGreeting.size(), 0),
            static_cast<ssize_t>(kGreeting.size()));
  EXPECT_EQ(client->call("echo", {{"text", "x"}}, soon()).error().kind, Kind::bad_answer);
}

// Hub, server and client together: what a slow reader sees.
class OneSnapshot final : public EventSource {
 public:
  std::variant<std::string, ApiError> find_peer(std::string_view text) override { return std::string(text); }
  void snapshot(const std::vector<std::string>&, const std::vector<std::string>&,
                std::function<void(const json&)> done) override {
    done({{"peers", json::array()}});
  }
};

TEST(Client, SeesEveryEventUpToTheOverflow) {
  OneSnapshot source;
  EventHub hub(source, {"peer"});
  ServerOptions options;
  options.soft_output = 100'000;
  ApiServer server([&](MethodTable& table) { hub.add_methods(table); }, std::move(options));
  CallResult<Client> client = Client::connect(server.path());
  ASSERT_TRUE(client->call("events.subscribe", {{"topics", {"peer"}}}, soon()));
  server.run([&] {
    for (int i = 0; i < 1000; ++i) hub.publish("peer", "state", {{"text", std::string(1000, 'x')}});
  });
  std::uint64_t seq = 0;
  std::string type;
  while (type != "overflow") {
    const CallResult<Notification> got = client->next(soon());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ((*got->params)["seq"], ++seq);
    type = (*got->params)["type"].get<std::string>();
    EXPECT_EQ(type == "snapshot", seq == 1);
  }
  EXPECT_GT(seq, 10U);
  EXPECT_LT(seq, 1000U);
  EXPECT_EQ(client->next(at_once()).error().kind, Kind::timeout);
}

}  // namespace
}  // namespace p2pd::ipc
