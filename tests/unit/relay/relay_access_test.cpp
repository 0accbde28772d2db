#include <filesystem>
#include <fstream>

#include "relay/access.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::testing {
namespace {

using ::testing::HasSubstr;

class RelayAccess : public RelayFixture {
 protected:
  RelayAccess() {
    std::string pattern = (std::filesystem::temp_directory_path() / "p2pd-access-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RelayAccess() override { std::filesystem::remove_all(folder_); }

  std::string write_rule(const std::string& kind, const std::string& text) {
    std::ofstream(folder_ / "rule") << text;
    return kind + ":" + (folder_ / "rule").string();
  }
  void start_with_access(const std::string& rule) {
    auto config = local_config();
    config.access = rule;
    start_server(std::move(config));
  }

  std::filesystem::path folder_;
  const std::shared_ptr<const net::Identity> friend_ = net::Identity::generate();
  const base::PeerId stranger_ = net::Identity::generate()->id();
};

TEST_F(RelayAccess, OpenPermitsEverybody) {
  const auto access = Access::load("open");
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->permits(stranger_, ""));
}

TEST_F(RelayAccess, AListPermitsWhoStandsOnIt) {
  const auto access =
      Access::load(write_rule("allow", "# friends\n\n  " + friend_->id().text() + "  # the first\n"));
  ASSERT_TRUE(access) << access.error().message();
  EXPECT_TRUE(access->permits(friend_->id(), ""));
  EXPECT_FALSE(access->permits(stranger_, "token"));
  EXPECT_FALSE(access->still_permits(stranger_));
}

TEST_F(RelayAccess, TokensPermitWhoKnowsOne) {
  const auto access = Access::load(write_rule("token", "first secret\nsecond\n"));
  ASSERT_TRUE(access);
  EXPECT_TRUE(access->permits(stranger_, "first secret"));
  EXPECT_TRUE(access->permits(stranger_, "second"));
  EXPECT_FALSE(access->permits(stranger_, "secon"));
  EXPECT_FALSE(access->permits(stranger_, "second\n"));
  EXPECT_FALSE(access->permits(stranger_, ""));
  EXPECT_TRUE(access->still_permits(stranger_));
}

TEST_F(RelayAccess, NamesWhatIsWrong) {
  EXPECT_THAT(Access::load("closed").error().message(), HasSubstr("use open, allow:FILE or token:FILE"));
  EXPECT_THAT(Access::load("allow:").error().message(), HasSubstr("use open, allow:FILE or token:FILE"));
  EXPECT_THAT(Access::load("allow:/nowhere/list").error().message(), HasSubstr("/nowhere/list"));
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

TEST_F(RelayAccess, AFailedReloadChangesNothing) {
  start_with_access(write_rule("allow", friend_->id().text() + "\n"));
  const Peer& peer = add_online_peer(friend_);
  write_rule("allow", "broken\n");
  EXPECT_FALSE(server_->reload());
  add_online_peer(friend_);
  EXPECT_EQ(peer.events.online, 1);
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
}  // namespace p2pd::relay::testing
