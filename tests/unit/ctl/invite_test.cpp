#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/run.hpp"
#include "tests/unit/ctl/fake_daemon.hpp"

namespace p2pd::ctl {
namespace {

using ipc::ErrorCode;
using nlohmann::json;
using Words = std::vector<std::string>;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InviteTest : public ::testing::Test {
 protected:
  ExitCode run(const Words& words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Environment environment{in, out, err, false, {}, {}};
    environment.variable = [this](const std::string& name) -> std::optional<std::string> {
      if (name == "P2PD_SOCKET") return daemon_.path();
      return std::nullopt;
    };
    const ExitCode code = ctl::run(words, environment);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  FakeDaemon daemon_;
  std::string out_;
  std::string err_;
};

const json kCreated = {{"ticket", "p2pd1abc"}, {"id", "0011"}, {"expires", "2026-01-31T12:00:00.000Z"}};
const json kPaired = {{"peer", {{"id", "b2id"}, {"name", "bob"}}}};

TEST_F(InviteTest, PrintsTheTicketAloneOnItsLine) {
  daemon_.answer("invite.create", kCreated);
  EXPECT_EQ(run({"invite", "--name", "bob", "--expires", "2h"}), ExitCode::done);
  EXPECT_EQ(out_, "p2pd1abc\n");
  EXPECT_THAT(err_, HasSubstr("accept -"));
  EXPECT_THAT(daemon_.calls("invite.create"), ElementsAre(json{{"name", "bob"}, {"expires_ms", 7'200'000}}));
}

TEST_F(InviteTest, ReadsLifetimesWithTheirUnit) {
  const std::pair<const char*, std::int64_t> good[] = {
      {"1s", 1'000}, {"90s", 90'000}, {"10m", 600'000}, {"30d", 2'592'000'000}};
  for (const auto& [text, ms] : good) {
    EXPECT_EQ(run({"invite", "--expires", text}), ExitCode::done) << text;
    EXPECT_EQ(daemon_.calls("invite.create").back(), (json{{"expires_ms", ms}}));
  }
  for (const char* text :
       {"", "10", "m", "0s", "-1m", "1.5h", "31d", "10 m", "10mm", "99999999999999999999s"}) {
    EXPECT_EQ(run({"invite", "--expires", text}), ExitCode::usage) << text;
    EXPECT_THAT(err_, HasSubstr("--expires takes"));
  }
}

TEST_F(InviteTest, DrawsTheCodeBesideTheTicket) {
  daemon_.answer("invite.create", kCreated);
  EXPECT_EQ(run({"invite", "--qr"}), ExitCode::done);
  EXPECT_EQ(out_, "p2pd1abc\n");
  EXPECT_THAT(err_, HasSubstr("\u2588\u2588\u2588\u2588"));
  EXPECT_EQ(run({"--json", "invite", "--qr"}), ExitCode::usage);
}

TEST_F(InviteTest, ListsAndRevokes) {
  daemon_.answer("invite.list", {{"invitations",
                                  {{{"id", "0011"},
                                    {"state", "used"},
                                    {"name", nullptr},
                                    {"expires", "2026-01-31T12:00:00.000Z"},
                                    {"peer", "b2id"},
                                    {"peer_name", "bob"}}}}});
  EXPECT_EQ(run({"invite", "--list"}), ExitCode::done);
  EXPECT_THAT(out_, HasSubstr("0011  used   -     2026-01-31T12:00:00.000Z  bob"));
  daemon_.answer("invite.list", {{"invitations", json::array()}});
  EXPECT_EQ(run({"invite", "--list"}), ExitCode::done);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(run({"invite", "--revoke", "0011"}), ExitCode::done);
  EXPECT_THAT(daemon_.calls("invite.revoke"), ElementsAre(json{{"id", "0011"}}));
  EXPECT_EQ(run({"invite", "--revoke", "-"}, "p2pd1abc\n"), ExitCode::done);
  EXPECT_EQ(daemon_.calls("invite.revoke").back(), (json{{"id", "p2pd1abc"}}));
  daemon_.refuse("invite.revoke", ErrorCode::ticket_used, "used already");
  EXPECT_EQ(run({"invite", "--revoke", "0011"}), ExitCode::refused);
  EXPECT_EQ(run({"invite", "--revoke", "0011", "--list"}), ExitCode::usage);
  EXPECT_EQ(run({"invite", "--list", "--name", "bob"}), ExitCode::usage);
}

TEST_F(InviteTest, AcceptsTheFirstLineOfStandardInputWithoutItsBlanks) {
  daemon_.answer("invite.accept", kPaired);
  for (const char* input : {"p2pd1abc", "p2pd1abc\n", "\n \r\n\tp2pd1abc \r\nrest\n"}) {
    EXPECT_EQ(run({"accept", "-", "--name", "bob", "--timeout", "2"}, input), ExitCode::done);
    EXPECT_EQ(out_, "paired with bob (b2id)\n");
    EXPECT_EQ(daemon_.calls("invite.accept").back(),
              (json{{"ticket", "p2pd1abc"}, {"name", "bob"}, {"timeout_ms", 2'000}}));
  }
}

TEST_F(InviteTest, AcceptsATicketOnTheCommandLineFor30Seconds) {
  daemon_.answer("invite.accept", kPaired);
  EXPECT_EQ(run({"accept", "p2pd1abc"}), ExitCode::done);
  EXPECT_EQ(daemon_.calls("invite.accept").back(), (json{{"ticket", "p2pd1abc"}, {"timeout_ms", 30'000}}));
}

TEST_F(InviteTest, AcceptsNothingThatIsNoText) {
  EXPECT_EQ(run({"accept", "-"}, ""), ExitCode::usage);
  EXPECT_EQ(run({"accept", "-"}, " \n\n"), ExitCode::usage);
  EXPECT_EQ(run({"accept", "-"}, "\xff\xfe\n"), ExitCode::refused);
  EXPECT_TRUE(daemon_.calls("invite.accept").empty());
}

TEST_F(InviteTest, ALineWithoutEndIsReadInPart) {
  daemon_.refuse("invite.accept", ErrorCode::ticket_altered, "not a ticket");
  EXPECT_EQ(run({"accept", "-"}, std::string(1 << 20, 'a')), ExitCode::refused);
  EXPECT_LE(daemon_.calls("invite.accept").back().at("ticket").get<std::string>().size(), 4096U);
}

TEST_F(InviteTest, SaysWhyATicketIsRefused) {
  daemon_.refuse("invite.accept", ErrorCode::ticket_used, "the ticket was used already");
  EXPECT_EQ(run({"accept", "p2pd1abc"}), ExitCode::refused);
  EXPECT_EQ(err_, "p2pctl: the ticket was used already\n");
  daemon_.refuse("invite.accept", ErrorCode::timeout, "nobody answered");
  EXPECT_EQ(run({"accept", "p2pd1abc"}), ExitCode::timeout);
}

}  // namespace
}  // namespace p2pd::ctl
