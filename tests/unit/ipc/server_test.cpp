#include "ipc/server.hpp"

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <list>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/un.h>

#include "tests/fakes/api_server.hpp"
#include "tests/fakes/raw_client.hpp"

namespace p2pd::ipc {
namespace {

using fakes::ApiServer;
using fakes::RawClient;
using fakes::TempFolder;
using nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string request(int id, const std::string& method, const json& params = json::object()) {
  return encode_request(std::to_string(id), method, params);
}

Answer answer(const std::optional<std::string>& line) {
  EXPECT_TRUE(line.has_value());
  const auto parsed = line ? parse_answer(*line) : std::nullopt;
  EXPECT_TRUE(parsed.has_value()) << line.value_or("closed");
  return parsed.value_or(Answer{});
}

ErrorCode code(const std::optional<std::string>& line) {
  const Answer parsed = answer(line);
  EXPECT_TRUE(parsed.error.has_value());
  return parsed.error ? parsed.error->code : ErrorCode{};
}

// echo answers with its text; size, with that many bytes; later.keep is answered by later.release, newest
// first; hold keeps the connection's outlet.
class ServerTest : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_.emplace([this](MethodTable& table) { add_methods(table); }, std::move(options));
  }
  void TearDown() override { server_.reset(); }

  void add_methods(MethodTable& table) {
    const auto add = [&](std::string name, std::vector<Param> params, Handler handler) {
      Method method;
      method.name = std::move(name);
      method.params = std::move(params);
      method.handler = std::move(handler);
      table.add(std::move(method));
    };
    add("echo", {{"text", Type::text, Presence::required, ""}},
        [](const Request& request, Responder responder) {
          responder.ok({{"text", *request.text("text")}, {"uid", request.client().uid}});
        });
    add("size", {{"bytes", Type::count, Presence::required, ""}},
        [](const Request& request, Responder responder) {
          responder.ok({{"data", std::string(static_cast<std::size_t>(*request.integer("bytes")), 'x')}});
        });
    add("later.keep", {}, [this](const Request&, Responder responder) {
      kept_.push_back(std::move(responder));
      kept_changed_.notify_all();
    });
    add("later.release", {}, [this](const Request&, Responder responder) {
      while (!kept_.empty()) {
        kept_.back().ok({{"left", kept_.size()}});
        kept_.pop_back();
      }
      responder.ok();
    });
    add("hold", {}, [this](const Request& request, Responder responder) {
      outlet_ = request.outlet();
      outlet_.lock()->hold();
      responder.ok();
    });
    add("descriptor", {}, [](Request request, Responder responder) {
      const base::Descriptor fd = request.take_descriptor();
      struct stat about {};
      const bool good = fd && ::fstat(fd.get(), &about) == 0;
      responder.ok({{"size", good ? about.st_size : -1}});
    });
  }

  [[nodiscard]] std::string path() const { return server_->path(); }

  std::optional<ApiServer> server_;
  std::list<Responder> kept_;  // server's thread
  std::weak_ptr<Outlet> outlet_;
  std::condition_variable kept_changed_;
};

TEST_F(ServerTest, AnswersARequest) {
  start();
  RawClient client(path());
  client.send_line(request(5, "echo", {{"text", "grüß dich"}}));
  const Answer got = answer(client.line());
  EXPECT_EQ(got.id, "5");
  EXPECT_EQ(*got.value, (json{{"text", "grüß dich"}, {"uid", ::geteuid()}}));
}

TEST_F(ServerTest, TheSocketIsOnlyOurs) {
  start();
  struct stat about {};
  ASSERT_EQ(::stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_F(ServerTest, TheSocketHasTheModeThatWasAskedFor) {
  ServerOptions options;
  options.mode = 0660;
  start(std::move(options));
  struct stat about {};
  ASSERT_EQ(::stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0660U);
}

TEST_F(ServerTest, TakesRequestsInPieces) {
  start();
  RawClient client(path());
  for (const char byte : request(1, "echo", {{"text", "x"}}) + "\n") client.send(std::string_view(&byte, 1));
  EXPECT_FALSE(answer(client.line()).error);
}

TEST_F(ServerTest, AnswersAsRequestsComplete) {
  start();
  RawClient client(path());
  client.send(request(1, "later.keep") + "\n" + request(2, "later.keep") + "\n" +
              request(3, "echo", {{"text", "x"}}) + "\n" + request(4, "later.release") + "\n");
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(answer(client.line()).id);
  EXPECT_EQ(ids, (std::vector<std::string>{"3", "2", "1", "4"}));
}

TEST_F(ServerTest, StopsReadingAboveTheOutstandingLimit) {
  ServerOptions options;
  options.max_outstanding = 2;
  start(std::move(options));
  RawClient client(path());
  client.send(request(1, "later.keep") + "\n" + request(2, "later.keep") + "\n" +
              request(3, "echo", {{"text", "x"}}) + "\n");
  // Handled on another connection after the first two were kept; the third must still wait.
  RawClient other(path());
  std::size_t kept = 0;
  while (kept < 2) server_->run([&] { kept = kept_.size(); });
  other.send_line(request(1, "later.release"));
  EXPECT_FALSE(answer(other.line()).error);
  EXPECT_EQ(answer(client.line()).id, "2");
  EXPECT_EQ(answer(client.line()).id, "1");
  EXPECT_EQ(answer(client.line()).id, "3");
}

TEST_F(ServerTest, AnswersABatchWithOneArrayWithoutItsNotifications) {
  start();
  RawClient client(path());
  client.send_line("[" + request(1, "later.keep") + "," + request(2, "echo", {{"text", "x"}}) +
                   R"(,{"jsonrpc":"2.0","method":"echo","params":{"text":"y"}},7])");
  client.send_line(request(9, "later.release"));
  const json batch = json::parse(client.line().value_or(""));
  ASSERT_TRUE(batch.is_array());
  ASSERT_EQ(batch.size(), 3U);
  EXPECT_EQ(batch[0]["id"], 2);
  EXPECT_EQ(batch[1]["error"]["code"], -32600);
  EXPECT_EQ(batch[2]["id"], 1);
  EXPECT_EQ(answer(client.line()).id, "9");
}

TEST_F(ServerTest, NotificationsAreRunAndNotAnswered) {
  start();
  RawClient client(path());
  client.send_line(R"({"jsonrpc":"2.0","method":"later.keep"})");
  client.send_line(R"([{"jsonrpc":"2.0","method":"nonsense"}])");
  client.send_line(request(2, "later.release"));
  EXPECT_EQ(answer(client.line()).id, "2");
}

TEST_F(ServerTest, SurvivesGarbageOnTheSameConnection) {
  start();
  RawClient client(path());
  client.send_line("\x01\x02\xff\xfe garbage");
  EXPECT_EQ(code(client.line()), ErrorCode::parse_error);
  client.send_line("");
  EXPECT_EQ(code(client.line()), ErrorCode::parse_error);
  client.send_line(std::string(200, '['));
  EXPECT_EQ(code(client.line()), ErrorCode::parse_error);
  client.send_line(request(1, "nonsense"));
  EXPECT_EQ(code(client.line()), ErrorCode::method_not_found);
  client.send_line(request(1, "echo", {{"text", 5}}));
  EXPECT_EQ(code(client.line()), ErrorCode::invalid_params);
  client.send_line(request(1, "echo", {{"text", "x"}}));
  EXPECT_FALSE(answer(client.line()).error);
}

TEST_F(ServerTest, TakesALineOfTheLimitAndClosesAboveIt) {
  ServerOptions options;
  options.max_line = 1000;
  start(std::move(options));
  const std::size_t frame = request(1, "echo", {{"text", ""}}).size();
  RawClient client(path());
  client.send_line(request(1, "echo", {{"text", std::string(1000 - frame, 'x')}}));
  EXPECT_FALSE(answer(client.line()).error);
  client.send_line(request(1, "echo", {{"text", std::string(1001 - frame, 'x')}}));
  EXPECT_EQ(code(client.line()), ErrorCode::too_large);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerTest, ClosesALineOverTheLimitBeforeItsEnd) {
  start();
  RawClient client(path());
  std::thread sender([&] { client.send(std::string(kMaxLine + 100000, 'x')); });
  EXPECT_EQ(code(client.line()), ErrorCode::too_large);
  EXPECT_EQ(client.line(), std::nullopt);
  sender.join();
}

TEST_F(ServerTest, AnswersHttpInItsOwnLanguageAndCloses) {
  start();
  for (const char* const method : {"GET", "POST", "OPTIONS", "CONNECT"}) {
    RawClient client(path());
    client.send(std::string(method) + " / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n" +
                request(1, "echo", {{"text", "x"}}) + "\n");
    const std::string got = client.rest();
    EXPECT_THAT(got, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
    EXPECT_EQ(got.find("\"jsonrpc\""), std::string::npos);
  }
}

TEST_F(ServerTest, TellsAClientThatItsRequestWasCutOff) {
  start();
  RawClient client(path());
  client.send(R"({"jsonrpc":"2.0","id":1,)");
  client.shutdown_send();
  EXPECT_EQ(code(client.line()), ErrorCode::parse_error);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerTest, AnswersWhatWasAskedBeforeTheClientsEndOfInput) {
  start();
  RawClient client(path());
  client.send(request(1, "later.keep") + "\n" + request(2, "echo", {{"text", "x"}}) + "\n");
  client.shutdown_send();
  EXPECT_EQ(answer(client.line()).id, "2");
  RawClient other(path());
  other.send_line(request(1, "later.release"));
  EXPECT_EQ(answer(client.line()).id, "1");
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerTest, ClosesAHalfSentRequestAtItsDeadline) {
  ServerOptions options;
  options.half_sent = milliseconds(30);
  start(std::move(options));
  RawClient client(path());
  client.send("{");
  EXPECT_EQ(code(client.line()), ErrorCode::timeout);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerTest, ClosesIdleClientsButNotSubscribersAndNotThoseWhoWait) {
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

TEST_F(ServerTest, RefusesOneClientTooManyAndTakesTheNextWhenOneLeaves) {
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

TEST_F(ServerTest, RefusesUsersItDoesNotServe) {
  ServerOptions options;
  options.authorise = [](const Credentials& who) -> std::optional<Tier> {
    EXPECT_EQ(who.uid, ::geteuid());
    return std::nullopt;
  };
  start(std::move(options));
  RawClient client(path());
  EXPECT_EQ(code(client.line()), ErrorCode::not_permitted);
  EXPECT_EQ(client.line(), std::nullopt);
}

TEST_F(ServerTest, HoldsClientsToTheirTier) {
  ServerOptions options;
  options.authorise = [](const Credentials&) { return Tier::read; };
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "echo", {{"text", "x"}}));  // admin, as rows are by default
  EXPECT_EQ(code(client.line()), ErrorCode::not_permitted);
  client.send_line(request(1, "rpc.discover"));
  EXPECT_FALSE(answer(client.line()).error);
}

TEST_F(ServerTest, DisconnectsAClientThatDoesNotReadAndServesTheOthers) {
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

TEST_F(ServerTest, AFloodOfNotificationsDoesNotStarveOthers) {
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

TEST_F(ServerTest, ReadsNoRequestsOfAClientWithTooMuchUnread) {
  ServerOptions options;
  options.soft_output = 1'000'000;
  options.hard_output = 3'000'000;  // ten answers at once would break it
  start(std::move(options));
  RawClient client(path());
  for (int i = 0; i < 10; ++i) client.send_line(request(i, "size", {{"bytes", 1'000'000}}));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(answer(client.line()).id, std::to_string(i));
}

TEST_F(ServerTest, DisconnectsAClientThatStopsReading) {
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

TEST_F(ServerTest, SendsAnAnswerLargerThanItsLimits) {
  ServerOptions options;
  options.soft_output = 1000;
  options.hard_output = 2000;
  start(std::move(options));
  RawClient client(path());
  client.send_line(request(1, "size", {{"bytes", 5'000'000}}));
  EXPECT_GT(client.line().value_or("").size(), 5'000'000U);
}

TEST_F(ServerTest, OutletSaysWhenTheClientHasTooMuchUnread) {
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

TEST_F(ServerTest, HandsOverADescriptorWithTheLineItCameWith) {
  start();
  TempFolder folder;
  std::ofstream(folder / "file") << "12345";
  const base::Descriptor file(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
  RawClient client(path());
  client.send_line(request(1, "descriptor"));
  EXPECT_TRUE(client.send_with(request(2, "descriptor") + "\n", file.get()));
  client.send_line(request(3, "descriptor"));
  EXPECT_EQ((*answer(client.line()).value)["size"], -1);
  EXPECT_EQ((*answer(client.line()).value)["size"], 5);
  EXPECT_EQ((*answer(client.line()).value)["size"], -1);
}

TEST_F(ServerTest, HandsOverADescriptorThatCameWithPartOfALine) {
  start();
  TempFolder folder;
  std::ofstream(folder / "file") << "12345";
  const base::Descriptor file(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
  RawClient client(path());
  const std::string line = request(1, "descriptor") + "\n";
  client.send(line.substr(0, 5));
  EXPECT_TRUE(client.send_with(line.substr(5, 5), file.get()));
  client.send(line.substr(10));
  EXPECT_EQ((*answer(client.line()).value)["size"], 5);
}

TEST_F(ServerTest, AnswersFromAnotherThread) {
  start();
  RawClient client(path());
  client.send_line(request(1, "later.keep"));
  std::optional<Responder> kept;
  while (!kept) {
    server_->run([&] {
      if (kept_.empty()) return;
      kept.emplace(std::move(kept_.back()));
      kept_.pop_back();
    });
  }
  kept->ok({{"from", "elsewhere"}});
  EXPECT_EQ(*answer(client.line()).value, (json{{"from", "elsewhere"}}));
}

TEST_F(ServerTest, StopAnswersWhatHasStartedAndClosesTheRest) {
  ServerOptions options;
  options.drain = milliseconds(20);
  start(std::move(options));
  RawClient large(path());
  large.send_line(request(1, "size", {{"bytes", 100'000}}));
  RawClient waiting(path());
  waiting.send_line(request(1, "later.keep"));
  std::size_t kept = 0;
  while (kept < 1) server_->run([&] { kept = kept_.size(); });
  EXPECT_GT(large.line().value_or("").size(), 100'000U);
  server_->stop();
  EXPECT_EQ(large.line(), std::nullopt);
  EXPECT_EQ(waiting.line(), std::nullopt);
  EXPECT_NE(::access(path().c_str(), F_OK), 0);
  kept_.clear();  // an answer after the end goes nowhere
}

TEST_F(ServerTest, KeepsAcceptingAfterItRanOutOfDescriptors) {
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
}  // namespace p2pd::ipc
