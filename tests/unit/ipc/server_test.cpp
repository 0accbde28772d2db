#include "ipc/server.hpp"

#include <fstream>
#include <thread>

#include <fcntl.h>

#include "tests/unit/ipc/server_fixture.hpp"

namespace p2pd::ipc::testing {
namespace {

using fakes::RawClient;
using fakes::TempFolder;
using std::chrono::milliseconds;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace p2pd::ipc::testing
