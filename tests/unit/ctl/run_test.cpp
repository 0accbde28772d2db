#include "ctl/run.hpp"

#include <atomic>
#include <future>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "tests/unit/ctl/fake_daemon.hpp"

namespace p2pd::ctl {
namespace {

using ipc::ApiError;
using ipc::ErrorCode;
using nlohmann::json;
using Words = std::vector<std::string>;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  ExitCode code = ExitCode::done;
  std::string out;
  std::string err;
};

class RunTest : public ::testing::Test {
 protected:
  Outcome run(Words words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Environment environment{in, out, err, terminal_, {}, {}};
    environment.variable = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables_.find(name);
      if (found == variables_.end()) return std::nullopt;
      return found->second;
    };
    environment.pause = [this](base::Duration) { ++pauses_; };
    environment.system_socket = folder_ / "system.sock";
    const ExitCode code = ctl::run(words, environment);
    return {code, out.str(), err.str()};
  }
  // Until it ends by itself or the daemon stops.
  std::future<Outcome> start(const Words& words) {
    return std::async(std::launch::async, [this, words] { return run(words); });
  }

  FakeDaemon daemon_;
  fakes::TempFolder folder_;
  std::map<std::string, std::string> variables_{{"P2PD_SOCKET", daemon_.path()}};
  bool terminal_ = false;
  int pauses_ = 0;
};

json bob_status(const std::string& state, const json& path) {
  return {{"id", "b2id"},
          {"name", "bob"},
          {"state", state},
          {"path", path},
          {"why_not_direct", path == "relay" ? json("checks_failed") : json()},
          {"rtt_ms", 1.25},
          {"local_candidate", "host 10.0.0.1:4000"},
          {"remote_candidate", "srflx 1.2.3.4:5"},
          {"to_relay_ms", 12.2},
          {"to_direct_ms", path == "direct" ? json(34.0) : json()},
          {"bytes",
           {{"relay_tx", 2048},
            {"relay_rx", 10},
            {"direct_tx", 1},
            {"direct_rx", 2},
            {"turn_tx", 0},
            {"turn_rx", 0}}},
          {"outbox", 2}};
}

// --- which socket

TEST_F(RunTest, NoDaemonIsItsOwnStatusWithANextStep) {
  variables_["P2PD_SOCKET"] = folder_ / "none.sock";
  const Outcome got = run({"id"});
  EXPECT_EQ(got.code, ExitCode::no_daemon);
  EXPECT_THAT(got.err, HasSubstr("no p2pd is running at " + (folder_ / "none.sock").string()));
  EXPECT_THAT(got.err, HasSubstr("systemctl"));
  EXPECT_EQ(got.out, "");
}

TEST_F(RunTest, LooksForTheSocketInTheAgreedOrder) {
  daemon_.answer("daemon.hello", {{"peer_id", "abc"}});
  const std::string real = daemon_.path();
  variables_.clear();
  // Nothing anywhere: both usual places are named.
  variables_["XDG_RUNTIME_DIR"] = folder_ / "run";
  const Outcome none = run({"id"});
  EXPECT_EQ(none.code, ExitCode::no_daemon);
  EXPECT_THAT(none.err, HasSubstr((folder_ / "run/p2pd/p2pd.sock").string() + " or " +
                                  (folder_ / "system.sock").string()));
  // The system's, behind a missing one of the user.
  std::filesystem::create_symlink(real, folder_ / "system.sock");
  EXPECT_EQ(run({"id"}).out, "abc\n");
  // The variable wins over both, the option over the variable.
  variables_["P2PD_SOCKET"] = folder_ / "none.sock";
  EXPECT_EQ(run({"id"}).code, ExitCode::no_daemon);
  EXPECT_EQ(run({"id", "--socket", real}).out, "abc\n");
}

// --- the daemon's no

TEST_F(RunTest, MapsTheDaemonsErrorsToStatuses) {
  const std::vector<std::pair<ErrorCode, ExitCode>> rows{{ErrorCode::unknown_peer, ExitCode::refused},
                                                         {ErrorCode::timeout, ExitCode::timeout},
                                                         {ErrorCode::not_permitted, ExitCode::not_permitted},
                                                         {ErrorCode::invalid_params, ExitCode::refused},
                                                         {ErrorCode::shutting_down, ExitCode::refused}};
  for (const auto& [code, exit_code] : rows) {
    daemon_.refuse("peer.connect", code, "a sentence: do \x1b this");
    const Outcome got = run({"--json", "connect", "bob"});
    EXPECT_EQ(got.code, exit_code);
    EXPECT_EQ(got.err, "p2pctl: a sentence: do \\x1b this\n");
    EXPECT_EQ(got.out, "");
  }
}

TEST_F(RunTest, UsageErrorsNeedNoDaemon) {
  daemon_.stop();
  for (const Words& words : {Words{},
                             {"fly"},
                             {"send"},
                             {"--timeout", "x", "status"},
                             {"--timeout", "0", "status"},
                             {"--timeout", "nan", "id"},
                             {"--timeout", "", "id"},
                             {"connect", "bob", "--wait", "direct", "--no-direct"},
                             {"wait", "online", "--direct"},
                             {"peer", "add", "bob"},
                             {"peer", "fly"},
                             {"peer", "list", "x"},
                             {"peer", "set", "bob"},
                             {"peer", "set", "bob", "colour=red"},
                             {"peer", "set", "bob", "direct=maybe"},
                             {"peer", "set", "bob", "name="},
                             {"peer", "list", "--relay", "ws://x"},
                             {"outbox", "cancel"},
                             {"outbox", "fly"},
                             {"call", "m", "[1]"},
                             {"call", "m", "{"},
                             {"ping", "bob", "-c", "0"},
                             {"help", "fly"}}) {
    const Outcome got = run(words);
    EXPECT_EQ(got.code, ExitCode::usage) << ::testing::PrintToString(words);
    EXPECT_THAT(got.err, StartsWith("p2pctl: "));
    EXPECT_EQ(got.out, "");
  }
}

TEST_F(RunTest, AnAnswerOfAnotherShapeIsNoCrash) {
  daemon_.answer("message.list", {{"messages", {{{"cursor", "not a number"}, {"text", "x"}}}}});
  const Outcome got = run({"recv"});
  EXPECT_EQ(got.code, ExitCode::refused);
  EXPECT_THAT(got.err, HasSubstr("not understood"));
}

// --- commands

TEST_F(RunTest, IdStandsAloneOnItsLine) {
  daemon_.answer("daemon.hello", {{"peer_id", "abc"}, {"version", "9"}, {"api", 1}});
  EXPECT_EQ(run({"id"}).out, "abc\n");
  EXPECT_EQ(run({"--json", "id"}).out, "{\"api\":1,\"peer_id\":\"abc\",\"version\":\"9\"}\n");
}

TEST_F(RunTest, VersionWorksWithAndWithoutADaemon) {
  daemon_.answer("daemon.hello", {{"peer_id", "abc"}, {"version", "9.8.7"}});
  EXPECT_EQ(run({"version"}).out, "p2pctl " P2PD_VERSION "\np2pd 9.8.7\n");
  daemon_.stop();
  const Outcome alone = run({"version"});
  EXPECT_EQ(alone.code, ExitCode::done);
  EXPECT_EQ(alone.out, "p2pctl " P2PD_VERSION "\n");
  EXPECT_EQ(json::parse(run({"--json", "version"}).out), (json{{"p2pctl", P2PD_VERSION}, {"p2pd", nullptr}}));
  EXPECT_EQ(run({"--version"}).out, "p2pctl " P2PD_VERSION "\n");
}

TEST_F(RunTest, HelpCoversEveryCommand) {
  daemon_.stop();
  const Outcome all = run({"help"});
  EXPECT_EQ(all.code, ExitCode::done);
  for (const char* const name :
       {"id", "peer", "connect", "disconnect", "status", "send", "recv", "outbox", "ping", "history", "watch",
        "wait", "call", "log-level", "help", "version"}) {
    EXPECT_THAT(all.out, HasSubstr("\n  " + std::string(name) + " "));
    EXPECT_THAT(run({"help", name}).out, StartsWith("usage: p2pctl " + std::string(name)));
    EXPECT_EQ(run({name, "--help"}).out, run({"help", name}).out);
    EXPECT_EQ(run({name, "-h"}).out, run({"help", name}).out);
  }
}

TEST_F(RunTest, PeerAddPassesNameIdAndRelays) {
  daemon_.answer("peer.add", {{"peer", {{"name", "bob"}, {"id", "xyz"}}}});
  const Outcome got = run({"peer", "add", "bob", "xyz", "--relay", "ws://a", "--relay", "ws://b"});
  EXPECT_EQ(got.code, ExitCode::done);
  EXPECT_EQ(got.out, "");
  EXPECT_THAT(got.err, HasSubstr("added bob"));
  EXPECT_EQ(daemon_.calls("peer.add").at(0),
            (json{{"name", "bob"}, {"id", "xyz"}, {"relays", {"ws://a", "ws://b"}}}));
  EXPECT_EQ(run({"peer", "add", "bob", "xyz", "--json"}).out,
            "{\"peer\":{\"id\":\"xyz\",\"name\":\"bob\"}}\n");
  EXPECT_EQ(daemon_.calls("peer.add").at(1), (json{{"name", "bob"}, {"id", "xyz"}}));
}

TEST_F(RunTest, PeerListIsATable) {
  daemon_.answer("peer.list", {{"peers",
                                {{{"name", "bob\x1b"},
                                  {"id", "xyz"},
                                  {"direct", "on"},
                                  {"files", "refuse"},
                                  {"relays", {"ws://a", "ws://b"}}},
                                 {{"name", "al"},
                                  {"id", "abc"},
                                  {"direct", "off"},
                                  {"files", "accept"},
                                  {"relays", json::array()}}}}});
  EXPECT_EQ(run({"peer", "list"}).out,
            "NAME     ID   DIRECT  FILES   RELAYS\n"
            "bob\\x1b  xyz  on      refuse  ws://a ws://b\n"
            "al       abc  off     accept  -\n");
}

TEST_F(RunTest, PeerSetAndRemovePassTheirParameters) {
  daemon_.answer("peer.set", {{"peer", {{"name", "rob"}, {"direct", "off"}, {"files", "accept"}}}});
  EXPECT_EQ(run({"peer", "set", "bob", "name=rob", "direct=off", "files=accept"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("peer.set").at(0),
            (json{{"peer", "bob"}, {"name", "rob"}, {"direct", "off"}, {"files", "accept"}}));
  EXPECT_EQ(run({"peer", "remove", "bob"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("peer.remove").at(0), (json{{"peer", "bob"}}));
}

TEST_F(RunTest, ConnectPrintsPathAndTime) {
  daemon_.answer("peer.connect", {{"peer", bob_status("established", "relay")},
                                  {"path", "relay"},
                                  {"to_relay_ms", 12.3},
                                  {"to_direct_ms", nullptr},
                                  {"why_not_direct", "in_progress"}});
  const Outcome got = run({"connect", "bob"});
  EXPECT_EQ(got.code, ExitCode::done);
  EXPECT_EQ(got.out, "connected to bob via relay in 12 ms\n");
  EXPECT_EQ(daemon_.calls("peer.connect").at(0),
            (json{{"peer", "bob"}, {"wait", "relay"}, {"timeout_ms", 10000}}));
  EXPECT_EQ(run({"connect", "bob", "--no-direct", "--timeout", "0.25"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("peer.connect").at(1),
            (json{{"peer", "bob"}, {"wait", "relay"}, {"timeout_ms", 250}, {"direct", false}}));
}

TEST_F(RunTest, ConnectDirectPrintsBothTimes) {
  daemon_.answer("peer.connect", {{"peer", bob_status("established", "direct")},
                                  {"path", "direct"},
                                  {"to_relay_ms", 12.3},
                                  {"to_direct_ms", 34.1},
                                  {"why_not_direct", nullptr}});
  const Outcome got = run({"connect", "bob", "--wait", "direct"});
  EXPECT_EQ(got.code, ExitCode::done);
  EXPECT_EQ(got.out, "connected to bob via direct: relay 12 ms, direct 34 ms\n");
  EXPECT_EQ(daemon_.calls("peer.connect").at(0)["wait"], "direct");
}

TEST_F(RunTest, ConnectedButNotDirectIsItsOwnStatus) {
  for (const char* const path : {"relay", "turn"}) {
    daemon_.answer("peer.connect", {{"peer", bob_status("established", path)},
                                    {"path", path},
                                    {"to_relay_ms", 12.3},
                                    {"to_direct_ms", nullptr},
                                    {"why_not_direct", "udp_blocked"}});
    const Outcome got = run({"connect", "bob", "--wait", "direct"});
    EXPECT_EQ(got.code, ExitCode::not_direct);
    EXPECT_EQ(got.out, "connected to bob via " + std::string(path) + " in 12 ms\n");
    EXPECT_THAT(got.err, HasSubstr("one of the two networks lets no UDP through"));
    EXPECT_EQ(run({"--json", "connect", "bob", "--wait", "direct"}).code, ExitCode::not_direct);
  }
}

TEST_F(RunTest, StatusShowsRelaysAndPeers) {
  daemon_.answer(
      "daemon.status",
      {{"peer_id", "a1id"},
       {"version", "9"},
       {"relays",
        {{{"url", "wss://r/p2pd/v1"}, {"state", "online"}, {"rtt_ms", 12.0}},
         {{"url", "ws://s"}, {"state", "connecting"}, {"rtt_ms", nullptr}, {"error", "connection refused"}}}},
       {"peers", {bob_status("established", "relay")}}});
  const Outcome got = run({"status"});
  EXPECT_EQ(got.code, ExitCode::done);
  EXPECT_EQ(got.out,
            "p2pd 9  a1id\n"
            "relay wss://r/p2pd/v1  online  12 ms\n"
            "relay ws://s  connecting  connection refused\n"
            "bob  established  relay  1.2 ms\n"
            "  id          b2id\n"
            "  not direct  checks_failed (no pair of addresses answered)\n"
            "  candidates  host 10.0.0.1:4000 -> srflx 1.2.3.4:5\n"
            "  times       relay 12 ms, direct -\n"
            "  bytes       relay 2.0 KiB out, 10 B in; direct 1 B out, 2 B in; turn 0 B out, 0 B in\n"
            "  outbox      2 messages wait\n");
}

TEST_F(RunTest, StatusOfAnEmptyDaemonSaysWhatToDo) {
  daemon_.answer(
      "daemon.status",
      {{"peer_id", "a1id"}, {"version", "9"}, {"relays", json::array()}, {"peers", json::array()}});
  const Outcome got = run({"status"});
  EXPECT_THAT(got.out, HasSubstr("no relay is configured"));
  EXPECT_THAT(got.out, HasSubstr("p2pctl invite"));
}

TEST_F(RunTest, StatusOfOnePeerAsksForIt) {
  daemon_.answer("peer.status", bob_status("idle", nullptr));
  const Outcome got = run({"status", "bob"});
  EXPECT_THAT(got.out, StartsWith("bob  idle\n"));
  EXPECT_THAT(got.out, Not(HasSubstr("not direct")));
  EXPECT_EQ(daemon_.calls("peer.status").at(0), (json{{"peer", "bob"}}));
  EXPECT_EQ(json::parse(run({"--json", "status", "bob"}).out), bob_status("idle", nullptr));
}

TEST_F(RunTest, ColoursAreForTerminalsThatWantThem) {
  daemon_.answer("peer.status", bob_status("established", "direct"));
  terminal_ = true;
  EXPECT_THAT(run({"status", "bob"}).out, HasSubstr("\x1b[32mdirect\x1b[0m"));
  variables_["NO_COLOR"] = "1";
  EXPECT_THAT(run({"status", "bob"}).out, Not(HasSubstr("\x1b")));
  variables_.erase("NO_COLOR");
  variables_["TERM"] = "dumb";
  EXPECT_THAT(run({"status", "bob"}).out, Not(HasSubstr("\x1b")));
}

TEST_F(RunTest, StatusWatchPrintsAgainAfterAChange) {
  daemon_.answer("peer.status", bob_status("dialing", nullptr));
  auto running = start({"status", "bob", "--watch"});
  daemon_.wait_for_calls("peer.status", 1);
  daemon_.answer("peer.status", bob_status("established", "relay"));
  daemon_.publish("peer", "state", {{"name", "bob"}});
  daemon_.wait_for_calls("peer.status", 2);
  daemon_.stop();
  const Outcome got = running.get();
  EXPECT_THAT(got.out, StartsWith("bob  dialing\n"));
  EXPECT_THAT(got.out, HasSubstr("\nbob  established  relay"));
  EXPECT_EQ(got.code, ExitCode::no_daemon);
}

TEST_F(RunTest, SendPrintsTheMessagesId) {
  daemon_.answer("message.send", {{"id", "00ff"}, {"sequence", 7}});
  EXPECT_EQ(run({"send", "bob", "grüß dich"}).out, "00ff\n");
  EXPECT_EQ(daemon_.calls("message.send").at(0), (json{{"peer", "bob"}, {"text", "grüß dich"}}));
  EXPECT_EQ(run({"--json", "send", "bob", "", "--no-direct"}).out, "{\"id\":\"00ff\",\"sequence\":7}\n");
  EXPECT_EQ(daemon_.calls("message.send").at(1), (json{{"peer", "bob"}, {"text", ""}, {"direct", false}}));
}

TEST_F(RunTest, SendTakesStandardInputAsTextOrBytes) {
  using namespace std::string_literals;
  daemon_.answer("message.send", {{"id", "00ff"}});
  EXPECT_EQ(run({"send", "bob", "-"}, "line\nline\0\n"s).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("message.send").at(0), (json{{"peer", "bob"}, {"text", "line\nline\0\n"s}}));
  EXPECT_EQ(run({"send", "bob", "-"}, "\xff\xfe").code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("message.send").at(1), (json{{"peer", "bob"}, {"data_base64", "//4="}}));
}

TEST_F(RunTest, SendTakesAMebibyteOfAnythingAndNoByteMore) {
  daemon_.answer("message.send", {{"id", "00ff"}});
  const std::size_t limit = 1024 * 1024;
  EXPECT_EQ(run({"send", "bob", "-"}, std::string(limit, 'x')).code, ExitCode::done);
  EXPECT_EQ(run({"send", "bob", "-"}, std::string(limit, '\xff')).code, ExitCode::done);
  // As JSON this text would have six times its size.
  const std::string controls(limit, '\x01');
  EXPECT_EQ(run({"send", "bob", "-"}, controls).code, ExitCode::done);
  const json sent = daemon_.calls("message.send").at(2);
  EXPECT_EQ(sent["data_base64"], base::to_base64(base::as_bytes(controls)));
  EXPECT_EQ(sent["content_type"], "text/plain");

  const Outcome over = run({"send", "bob", "-"}, std::string(limit + 1, 'x'));
  EXPECT_EQ(over.code, ExitCode::refused);
  EXPECT_THAT(over.err, HasSubstr("1 MiB"));
  EXPECT_EQ(run({"send", "bob", std::string(limit + 1, 'x')}).code, ExitCode::refused);
  EXPECT_EQ(daemon_.calls("message.send").size(), 3U);
}

json message(int cursor, const std::string& text) {
  return {{"cursor", cursor}, {"id", "00"},      {"peer", "b2id"},
          {"name", "bob"},    {"received", "T"}, {"content_type", "text/plain"},
          {"text", text}};
}

TEST_F(RunTest, RecvPagesThroughTheInboxAndAcknowledgesWhatItPrinted) {
  daemon_.on("message.list", [](const json& params) -> FakeDaemon::Answer {
    const int after = params["after"].get<int>();
    json page = json::array();
    if (after < 3) page.push_back(message(after + 1, "m" + std::to_string(after + 1)));
    return json{{"messages", page}};
  });
  const Outcome plain = run({"recv"});
  EXPECT_EQ(plain.code, ExitCode::done);
  EXPECT_EQ(plain.out, "T bob: m1\nT bob: m2\nT bob: m3\n");
  EXPECT_TRUE(daemon_.calls("message.ack").empty());
  EXPECT_EQ(run({"recv", "bob", "--ack"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("message.ack").back(), (json{{"up_to", 3}, {"peer", "bob"}}));
  EXPECT_EQ(daemon_.calls("message.list").back()["peer"], "bob");
}

TEST_F(RunTest, RecvDisarmsTextAndKeepsItExactAsJson) {
  const json evil = message(1, "one\x1b[2J\nT eve: two");
  const json bytes = {{"cursor", 2},
                      {"peer", "b2id"},
                      {"name", nullptr},
                      {"received", "T"},
                      {"content_type", "image/png"},
                      {"data_base64", "//4="}};
  daemon_.on("message.list", [=](const json& params) -> FakeDaemon::Answer {
    return json{{"messages", params["after"] == 0 ? json{evil, bytes} : json::array()}};
  });
  EXPECT_EQ(run({"recv"}).out,
            "T bob: one\\x1b[2J\n  T eve: two\nT b2id: (image/png, not text: --json shows it as base64)\n");
  std::istringstream lines(run({"--json", "recv"}).out);
  std::string line;
  for (const json& expected : {evil, bytes}) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(json::parse(line), expected);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(RunTest, RecvFollowPrintsWhatComesLater) {
  std::atomic<int> there = 1;
  daemon_.on("message.list", [&](const json& params) -> FakeDaemon::Answer {
    const int after = params["after"].get<int>();
    json page = json::array();
    for (int i = after + 1; i <= there; ++i) page.push_back(message(i, "m" + std::to_string(i)));
    return json{{"messages", page}};
  });
  auto running = start({"recv", "--follow"});
  daemon_.wait_for_calls("message.list", 2);
  there = 2;
  daemon_.publish("message", "delivered", {{"id", "x"}});
  daemon_.publish("message", "received", {{"peer", "b2id"}});
  daemon_.wait_for_calls("message.list", 4);
  daemon_.stop();
  const Outcome got = running.get();
  EXPECT_EQ(got.out, "T bob: m1\nT bob: m2\n");
  EXPECT_EQ(got.code, ExitCode::no_daemon);
}

TEST_F(RunTest, OutboxListsAndCancels) {
  daemon_.answer("outbox.list", {{"messages",
                                  {{{"id", "00ff"},
                                    {"name", "bob"},
                                    {"created", "T"},
                                    {"size", 2048},
                                    {"content_type", "text/plain"}}}}});
  EXPECT_EQ(run({"outbox"}).out,
            "ID    TO   CREATED  SIZE     TYPE\n00ff  bob  T        2.0 KiB  text/plain\n");
  EXPECT_EQ(run({"outbox", "list"}).out, run({"outbox"}).out);
  EXPECT_EQ(run({"outbox", "cancel", "00ff"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("outbox.cancel").at(0), (json{{"id", "00ff"}}));
}

TEST_F(RunTest, PingNamesThePathOfEachReply) {
  daemon_.answer("peer.ping", {{"rtt_ms", 1.5}, {"path", "relay"}});
  EXPECT_EQ(run({"ping", "bob", "-c", "2"}).out,
            "reply from bob via relay in 1.5 ms\nreply from bob via relay in 1.5 ms\n");
  EXPECT_EQ(pauses_, 1);
  EXPECT_EQ(run({"ping", "bob", "--json", "-c", "1"}).out, "{\"path\":\"relay\",\"rtt_ms\":1.5}\n");
  EXPECT_EQ(daemon_.calls("peer.ping").at(0), (json{{"peer", "bob"}, {"timeout_ms", 10000}}));
}

TEST_F(RunTest, PingUntilDirectStopsAtTheFirstDirectReply) {
  int count = 0;
  daemon_.on("peer.ping", [&](const json&) -> FakeDaemon::Answer {
    return json{{"rtt_ms", 1}, {"path", ++count < 3 ? "relay" : "direct"}};
  });
  EXPECT_EQ(run({"ping", "bob", "--until-direct"}).code, ExitCode::done);
  EXPECT_EQ(count, 3);
  daemon_.answer("peer.ping", {{"rtt_ms", 1}, {"path", "relay"}});
  const Outcome got = run({"ping", "bob", "--until-direct", "-c", "2"});
  EXPECT_EQ(got.code, ExitCode::not_direct);
  EXPECT_THAT(got.err, HasSubstr("p2pctl status bob"));
}

TEST_F(RunTest, HistoryShowsCandidatesAndPaths) {
  daemon_.answer("peer.history",
                 {{"attempts",
                   {{{"started", "T"},
                     {"outcome", "closed"},
                     {"reason", "peer left"},
                     {"to_relay_ms", 12},
                     {"to_direct_ms", 34},
                     {"candidates",
                      {{{"side", "local"},
                        {"type", "host"},
                        {"address", "10.0.0.1:4"},
                        {"generation", 0},
                        {"state", "gathered"},
                        {"reason", nullptr}}}},
                     {"paths", {{{"from", "relay"}, {"to", "direct"}, {"reason", "probe answered"}}}}}}}});
  EXPECT_EQ(run({"history", "bob"}).out,
            "T  closed (peer left)  relay 12 ms, direct 34 ms\n"
            "  local host 10.0.0.1:4  generation 0  gathered\n"
            "  path relay -> direct (probe answered)\n");
}

TEST_F(RunTest, WatchPrintsTheSnapshotAndEveryEvent) {
  auto running = start({"watch"});
  auto as_json = start({"--json", "watch"});
  while (daemon_.subscriptions() < 2) std::this_thread::yield();
  daemon_.publish("peer", "path",
                  {{"name", "bob\x1b"}, {"from", "relay"}, {"to", "direct"}, {"reason", nullptr}});
  daemon_.publish("relay", "state", {{"url", "last"}});
  daemon_.stop();
  const Outcome text = running.get();
  EXPECT_THAT(text.out, HasSubstr(" daemon snapshot relays=0 peers=0\n"));
  EXPECT_THAT(text.out, HasSubstr(" peer path from=relay name=bob\\x1b to=direct\n"));
  EXPECT_THAT(text.out, HasSubstr(" relay state url=last\n"));
  EXPECT_THAT(text.out, Not(HasSubstr("\x1b")));
  std::istringstream lines(as_json.get().out);
  int seq = 0;
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    EXPECT_EQ(event["seq"], ++seq);
    EXPECT_EQ(event["type"] == "snapshot", seq == 1);
  }
  EXPECT_EQ(seq, 3);
}

TEST_F(RunTest, WaitOnlineEndsWhenARelayIs) {
  const auto status = [](const char* state) {
    return json{{"relays", {{{"url", "ws://r"}, {"state", state}}}}};
  };
  daemon_.answer("daemon.status", status("connecting"));
  auto running = start({"wait", "online"});
  daemon_.wait_for_calls("daemon.status", 1);
  daemon_.answer("daemon.status", status("online"));
  daemon_.publish("relay", "state", {{"state", "online"}});
  EXPECT_EQ(running.get().code, ExitCode::done);
}

TEST_F(RunTest, WaitForAPeerEndsWhenItIsConnectedOrDirect) {
  daemon_.answer("peer.status", bob_status("established", "relay"));
  EXPECT_EQ(run({"wait", "bob"}).code, ExitCode::done);
  auto running = start({"wait", "bob", "--direct"});
  daemon_.wait_for_calls("peer.status", 2);
  daemon_.answer("peer.status", bob_status("established", "direct"));
  daemon_.publish("peer", "path", {{"to", "direct"}});
  EXPECT_EQ(running.get().code, ExitCode::done);
}

TEST_F(RunTest, WaitTellsNotConnectedFromNotDirectWhenTheTimeIsOver) {
  daemon_.answer("peer.status", bob_status("established", "relay"));
  EXPECT_EQ(run({"wait", "bob", "--direct", "--timeout", "1"}).code, ExitCode::not_direct);
  daemon_.answer("peer.status", bob_status("dialing", nullptr));
  const Outcome got = run({"wait", "bob", "--direct", "--timeout", "0.05"});
  EXPECT_EQ(got.code, ExitCode::timeout);
  EXPECT_THAT(got.err, HasSubstr("p2pctl connect bob"));
  daemon_.answer("daemon.status", {{"relays", json::array()}});
  EXPECT_EQ(run({"wait", "online", "--timeout", "0.05"}).code, ExitCode::timeout);
}

TEST_F(RunTest, CallReachesAnyMethod) {
  daemon_.answer("peer.status", {{"name", "bob"}});
  EXPECT_EQ(run({"call", "peer.status", R"({"peer":"bob"})"}).out, "{\n  \"name\": \"bob\"\n}\n");
  EXPECT_EQ(run({"--json", "call", "peer.status", R"({"peer":"bob"})"}).out, "{\"name\":\"bob\"}\n");
  EXPECT_EQ(daemon_.calls("peer.status").at(0), (json{{"peer", "bob"}}));
  EXPECT_EQ(json::parse(run({"call", "rpc.discover"}).out)["openrpc"], "1.2.6");
  const Outcome unknown = run({"call", "no.such"});
  EXPECT_EQ(unknown.code, ExitCode::refused);
  EXPECT_THAT(unknown.err, HasSubstr("no.such"));
  EXPECT_EQ(run({"call", "peer.status", R"({"peer":5})"}).code, ExitCode::refused);
}

TEST_F(RunTest, LogLevelPassesTheLevel) {
  daemon_.answer("log.set_level", {{"level", "debug"}});
  EXPECT_EQ(run({"log-level", "debug"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("log.set_level").at(0), (json{{"level", "debug"}}));
}

TEST_F(RunTest, DisconnectPassesThePeer) {
  EXPECT_EQ(run({"disconnect", "bob"}).code, ExitCode::done);
  EXPECT_EQ(daemon_.calls("peer.disconnect").at(0), (json{{"peer", "bob"}}));
  EXPECT_EQ(run({"--json", "disconnect", "bob"}).out, "{}\n");
}

}  // namespace
}  // namespace p2pd::ctl
