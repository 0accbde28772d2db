#include <filesystem>
#include <fstream>

#include "base/log.hpp"
#include "relay/access.hpp"
#include "tests/fakes/temp_folder.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RelayAccess : public RelayFixture {
 protected:
  std::string write_rule(const std::string& kind, const std::string& text) {
    std::ofstream(folder_ / "rule") << text;
    return kind + ":" + (folder_ / "rule").string();
  }
  void start_with_access(const std::string& rule) {
    auto config = local_config();
    config.access = rule;
    start_server(std::move(config));
  }

  fakes::TempFolder folder_;
  const std::shared_ptr<const net::Identity> friend_ = net::Identity::generate();
  const base::PeerId stranger_ = net::Identity::generate()->id();
};

TEST_F(RelayAccess, OpenPermitsEverybody) {
  const auto access = Access::load("open");
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->permits(Credential::of(stranger_, "")));
}

TEST_F(RelayAccess, AListPermitsWhoStandsOnIt) {
  const auto access =
      Access::load(write_rule("allow", "# friends\n\n  " + friend_->id().text() + "  # the first\n"));
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_TRUE(access->permits(Credential::of(friend_->id(), "")));
  EXPECT_FALSE(access->permits(Credential::of(stranger_, "token")));
}

TEST_F(RelayAccess, TokensPermitWhoKnowsOne) {
  const auto access = Access::load(write_rule("token", "first secret\nsecond\n"));
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->permits(Credential::of(stranger_, "first secret")));
  EXPECT_TRUE(access->permits(Credential::of(stranger_, "second")));
  EXPECT_FALSE(access->permits(Credential::of(stranger_, "secon")));
  EXPECT_FALSE(access->permits(Credential::of(stranger_, "second\n")));
  EXPECT_FALSE(access->permits(Credential::of(stranger_, "")));
}

TEST_F(RelayAccess, ATokenMayHoldAHash) {
  const auto access = Access::load(write_rule("token", "one#two  # and not this\n"));
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->permits(Credential::of(stranger_, "one#two")));
  EXPECT_FALSE(access->permits(Credential::of(stranger_, "one")));
}

TEST_F(RelayAccess, WarnsOfWhatIsUnwise) {
  std::string logged;
  base::log::set_sink(
      [&logged](base::log::Level, std::string_view line) { logged.append(line).append("\n"); });
  const std::string rule = write_rule("token", "short\n");
  std::filesystem::permissions(folder_ / "rule", std::filesystem::perms::owner_all);
  EXPECT_TRUE(Access::load(rule));
  EXPECT_THAT(logged, AllOf(HasSubstr("can be guessed"), Not(HasSubstr("every user"))));
  std::filesystem::permissions(folder_ / "rule", std::filesystem::perms::all);
  EXPECT_TRUE(Access::load(write_rule("token", std::string(16, 'x') + "\n")));
  EXPECT_THAT(logged, HasSubstr("every user here"));
  EXPECT_TRUE(Access::load(write_rule("allow", "# none yet\n")));
  EXPECT_THAT(logged, HasSubstr("nobody is served"));
  base::log::set_sink({});
  EXPECT_THAT(logged, Not(HasSubstr("short\n")));
}

TEST_F(RelayAccess, NamesWhatIsWrong) {
  EXPECT_THAT(Access::load("closed").error().message(), HasSubstr("use open, allow:FILE or token:FILE"));
  EXPECT_THAT(Access::load("allow:").error().message(), HasSubstr("use open, allow:FILE or token:FILE"));
  EXPECT_THAT(Access::load("allow:/nowhere/list").error().message(), HasSubstr("/nowhere/list"));
  EXPECT_THAT(Access::load("allow:" + folder_.path().string()).error().message(), HasSubstr("directory"));
  EXPECT_THAT(Access::load(write_rule("allow", "# none\nnot-an-id\n")).error().message(),
              HasSubstr("line 2"));
  EXPECT_THAT(Access::load(write_rule("token", "# none\n")).error().message(), HasSubstr("no token"));
  EXPECT_THAT(Access::load(write_rule("token", std::string(2'000, 'x'))).error().message(),
              HasSubstr("line 1"));
}

TEST_F(RelayAccess, TheServerRefusesWhoIsNotOnItsList) {
  start_with_access(write_rule("allow", friend_->id().text() + "\n"));
  add_online_peer(friend_);
  const Peer& stranger = add_peer(session_config(url()));
  ASSERT_TRUE(run_until([&] { return stranger.session->stats().failures >= 1; }));
  EXPECT_THAT(stranger.session->last_error(), HasSubstr("does not serve this machine"));
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_permission >= 1; }));
}

TEST_F(RelayAccess, AReloadEndsWhoIsNotOnTheListAnyMore) {
  start_with_access(write_rule("allow", friend_->id().text() + "\n"));
  const Peer& peer = add_online_peer(friend_);
  write_rule("allow", stranger_.text() + "\n");
  ASSERT_TRUE(server_->reload());
  ASSERT_TRUE(run_until([&] { return !peer.events.offline.empty(); }));
  EXPECT_THAT(peer.events.offline.front(), HasSubstr("does not serve this machine"));
}

TEST_F(RelayAccess, AReloadEndsWhoseTokenIsGone) {
  start_with_access(write_rule("token", "the first of them\nthe second of them\n"));
  auto config = session_config(url());
  config.token = "the first of them";
  const Peer& first = add_peer(config);
  config.token = "the second of them";
  Peer& second = add_peer(config);
  ASSERT_TRUE(run_until([&] { return first.session->online() && second.session->online(); }));
  write_rule("token", "the second of them\n");
  ASSERT_TRUE(server_->reload());
  ASSERT_TRUE(run_until([&] { return !first.events.offline.empty(); }));
  EXPECT_THAT(first.events.offline.front(), HasSubstr("does not serve this key or token any more"));
  settle(second);
  EXPECT_EQ(second.events.online, 1);
  EXPECT_EQ(server_->metrics().ended_permission, 1u);
}

TEST_F(RelayAccess, AReloadCatchesWhoIsJustComingIn) {
  start_with_access(write_rule("allow", friend_->id().text() + "\n"));
  const auto transport = dial(url());
  const auto challenge = expect_frame<proto::RelayChallenge>(*transport);
  write(*transport, proto::encode(make_hello(*friend_, challenge, url().authority())));
  write_rule("allow", "# nobody\n");
  ASSERT_TRUE(server_->reload());
  // Wherever the relay stood when the list was read again, the last word is the same.
  std::optional<proto::RelayGoodbyeCode> goodbye;
  while (!goodbye) {
    const auto message = run(transport->read());
    ASSERT_TRUE(message) << "it ended without a goodbye";
    const auto frame = proto::parse_relay_frame(*message);
    ASSERT_TRUE(frame);
    if (const auto* said = std::get_if<proto::RelayGoodbye>(&*frame)) goodbye = said->code;
  }
  EXPECT_EQ(goodbye, proto::RelayGoodbyeCode::not_permitted);
}

TEST_F(RelayAccess, AFailedReloadChangesNothing) {
  start_with_access(write_rule("allow", friend_->id().text() + "\n"));
  const Peer& peer = add_online_peer(friend_);
  write_rule("allow", "broken\n");
  const auto reloaded = server_->reload();
  ASSERT_FALSE(reloaded);
  EXPECT_THAT(reloaded.error().message(), AllOf(HasSubstr("rule\""), HasSubstr("line 1")));
  add_online_peer(friend_);
  EXPECT_EQ(peer.events.online, 1);
  EXPECT_EQ(server_->metrics().reloads_failed, 1u);
}

TEST_F(RelayAccess, TheServerTakesATokenAndNothingElse) {
  start_with_access(write_rule("token", "open sesame\n"));
  auto config = session_config(url());
  config.token = "open sesame";
  const Peer& knows = add_peer(config);
  ASSERT_TRUE(run_until([&] { return knows.session->online(); }));
  config.token = "open says me";
  const Peer& guesses = add_peer(config);
  ASSERT_TRUE(run_until([&] { return guesses.session->stats().failures >= 1; }));
  EXPECT_THAT(guesses.session->last_error(), HasSubstr("does not serve this machine"));
  config.token = std::string(2'000, 'x');
  const Peer& floods = add_peer(config);
  ASSERT_TRUE(run_until([&] { return floods.session->stats().failures >= 1; }));
  EXPECT_THAT(floods.session->last_error(), HasSubstr("token is longer"));
}

}  // namespace
}  // namespace p2pd::relay::test
