#include "relay/server.hpp"
#include "tests/unit/relay/relay_fixture.hpp"

namespace p2pd::relay::test {
namespace {

using proto::RelayGoodbyeCode;
using proto::RelayPresenceState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RelayServer : public RelayFixture {};

TEST_F(RelayServer, AuthenticatesAClientAndProvesItsOwnKey) {
  start_server(local_config());
  const Peer& peer = add_online_peer();
  EXPECT_EQ(peer.session->relay_id(), relay_identity_->id());
  EXPECT_EQ(peer.session->max_payload(), proto::kRelayMaxPayload);
  EXPECT_EQ(peer.events.online, 1);
  EXPECT_EQ(peer.session->last_error(), "");
  EXPECT_TRUE(run_until([&] { return peer.session->rtt().has_value(); }));
  EXPECT_EQ(server_->metrics().clients, 1u);
  EXPECT_EQ(server_->metrics().unauthenticated, 0u);
}

TEST_F(RelayServer, RefusesAWrongSignature) {
  start_server(local_config());
  const auto identity = net::Identity::generate();
  const auto transport = dial(url());
  auto hello = make_hello(*identity, expect_frame<proto::RelayChallenge>(*transport), url().authority());
  hello.signature[0] ^= 1;
  write(*transport, proto::encode(hello));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::authentication_failed);
  EXPECT_TRUE(run_until([&] { return server_->metrics().refused_authentication == 1; }));
  EXPECT_EQ(server_->metrics().sessions, 0u);
}

TEST_F(RelayServer, RefusesAHelloThatAnswersAnEarlierChallenge) {
  start_server(local_config());
  const auto identity = net::Identity::generate();
  const auto first = dial(url());
  const auto hello = make_hello(*identity, expect_frame<proto::RelayChallenge>(*first), url().authority());
  write(*first, proto::encode(hello));
  expect_frame<proto::RelayWelcome>(*first);

  const auto second = dial(url());
  expect_frame<proto::RelayChallenge>(*second);
  write(*second, proto::encode(hello));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*second).code, RelayGoodbyeCode::authentication_failed);
}

TEST_F(RelayServer, RefusesAHelloMeantForAnotherAuthority) {
  start_server(local_config());
  const auto identity = net::Identity::generate();
  const auto transport = dial(url());
  const auto challenge = expect_frame<proto::RelayChallenge>(*transport);
  write(*transport, proto::encode(make_hello(*identity, challenge, "elsewhere.example:443")));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::authentication_failed);
}

TEST_F(RelayServer, WithAPublicUrlItRefusesAHelloForAnotherThatComesWithAFittingHostHeader) {
  auto config = local_config();
  config.public_urls = {*net::RelayUrl::parse("ws://relay.example")};
  start_server(std::move(config));
  const Peer& misled = add_peer(session_config(url()));
  ASSERT_TRUE(run_until([&] { return misled.session->stats().failures >= 1; }));
  EXPECT_THAT(misled.session->last_error(), HasSubstr("did not accept this machine's signature"));
}

TEST_F(RelayServer, WithPublicUrlsItTakesAHelloForEachOfThem) {
  start_server(local_config());
  auto config = local_config();
  config.listen = server_->addresses();
  config.public_urls = {*net::RelayUrl::parse("ws://relay.example"), url("localhost"), url()};
  stop_server();
  start_server(std::move(config));
  add_online_peer();
  const Peer& by_name = add_peer(session_config(url("localhost")));
  EXPECT_TRUE(run_until([&] { return by_name.session->online(); }));
}

TEST_F(RelayServer, RefusesAHelloBoundToATlsSessionItDoesNotHave) {
  start_server(local_config());
  const auto identity = net::Identity::generate();
  const auto transport = dial(url());
  const auto challenge = expect_frame<proto::RelayChallenge>(*transport);
  proto::RelayHello hello;
  hello.client = identity->id();
  hello.binding = proto::RelayBinding::tls_exporter;
  proto::RelayExporter exporter{};
  exporter.fill(1);
  hello.signature = identity->sign(proto::signed_bytes(hello, challenge, url().authority(), exporter));
  write(*transport, proto::encode(hello));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::authentication_failed);
}

TEST_F(RelayServer, ForwardsDatagramsInOrderAndStampsTheSender) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  EXPECT_TRUE(alice.send(bob.id(), "one"));
  EXPECT_TRUE(alice.send(bob.id(), "two"));
  const std::string big(alice.session->max_payload(), 'x');
  EXPECT_TRUE(alice.send(bob.id(), big));
  ASSERT_TRUE(run_until([&] { return bob.events.datagrams.size() == 3; }));
  EXPECT_THAT(bob.events.datagrams,
              ElementsAre(Recorder::Datagram{alice.id(), "one"}, Recorder::Datagram{alice.id(), "two"},
                          Recorder::Datagram{alice.id(), big}));
  EXPECT_EQ(server_->metrics().forwarded_packets, 3u);
  EXPECT_EQ(server_->metrics().forwarded_bytes, 6 + big.size());
}

TEST_F(RelayServer, TakesNothingAClientWritesAsTheSender) {
  start_server(local_config());
  Peer& bob = add_online_peer();
  const auto mallory = net::Identity::generate();
  const auto transport = dial_authenticated(*mallory);
  // What a relay would send, written by a client.
  write(*transport, proto::encode(proto::RelayReceived{bob.id(), base::as_bytes("forged")}));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::protocol_error);
  settle(bob);
  EXPECT_THAT(bob.events.datagrams, IsEmpty());
}

TEST_F(RelayServer, DropsWhatIsForNobodyInSilence) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  EXPECT_TRUE(alice.send(net::Identity::generate()->id(), "anyone?"));
  settle(alice);
  EXPECT_THAT(alice.events.datagrams, IsEmpty());
  EXPECT_THAT(alice.events.presence, IsEmpty());
  EXPECT_EQ(server_->metrics().dropped_offline, 1u);
}

TEST_F(RelayServer, RefusesToQueueWhatIsTooBigOrEmpty) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  EXPECT_FALSE(alice.send(alice.id(), std::string(alice.session->max_payload() + 1, 'x')));
  EXPECT_FALSE(alice.send(alice.id(), ""));
}

TEST_F(RelayServer, HonoursALowerPayloadLimitAtBothEnds) {
  auto config = local_config();
  config.limits.max_payload = 1'500;
  start_server(std::move(config));
  Peer& alice = add_online_peer();
  EXPECT_EQ(alice.session->max_payload(), 1'500u);
  EXPECT_FALSE(alice.send(alice.id(), std::string(1'501, 'x')));

  const auto rude = net::Identity::generate();
  const auto transport = dial_authenticated(*rude);
  write(*transport, proto::encode(proto::RelaySend{alice.id(), base::as_bytes(std::string(1'501, 'x'))}));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::protocol_error);
}

TEST_F(RelayServer, TellsPresenceOnlyWhereBothSidesAsk) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  alice.session->set_interest({bob.id()});
  settle(alice);
  settle(bob);
  EXPECT_THAT(alice.events.presence, IsEmpty());
  EXPECT_THAT(bob.events.presence, IsEmpty());

  bob.session->set_interest({alice.id()});
  ASSERT_TRUE(run_until([&] { return !alice.events.presence.empty() && !bob.events.presence.empty(); }));
  EXPECT_THAT(alice.events.presence, ElementsAre(Recorder::Presence{bob.id(), RelayPresenceState::here}));
  EXPECT_THAT(bob.events.presence, ElementsAre(Recorder::Presence{alice.id(), RelayPresenceState::here}));

  run(bob.session->stop());
  ASSERT_TRUE(run_until([&] { return alice.events.presence.size() == 2; }));
  EXPECT_EQ(alice.events.presence.back(), (Recorder::Presence{bob.id(), RelayPresenceState::gone}));
}

TEST_F(RelayServer, TellsASingleChangeOfInterestWithoutRepeatingTheRest) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  Peer& carol = add_online_peer();
  bob.session->set_interest({alice.id()});
  carol.session->set_interest({alice.id()});
  alice.session->set_interest({bob.id()});
  ASSERT_TRUE(run_until([&] { return alice.events.presence.size() == 1; }));
  alice.session->set_interest({carol.id(), bob.id()});
  ASSERT_TRUE(run_until([&] { return alice.events.presence.size() == 2; }));
  alice.session->set_interest({carol.id()});
  ASSERT_TRUE(run_until([&] { return bob.events.presence.size() == 2; }));
  EXPECT_THAT(bob.events.presence, ElementsAre(Recorder::Presence{alice.id(), RelayPresenceState::here},
                                               Recorder::Presence{alice.id(), RelayPresenceState::gone}));
  EXPECT_THAT(carol.events.presence, ElementsAre(Recorder::Presence{alice.id(), RelayPresenceState::here}));
}

TEST_F(RelayServer, LeavesOutInterestBeyondTheRelaysLimit) {
  auto config = local_config();
  config.limits.max_interest = 1;
  start_server(std::move(config));
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  Peer& carol = add_online_peer();
  bob.session->set_interest({alice.id()});
  carol.session->set_interest({alice.id()});
  settle(bob);
  settle(carol);
  alice.session->set_interest({bob.id(), carol.id()});
  ASSERT_TRUE(run_until([&] { return !alice.events.presence.empty(); }));
  settle(alice);
  EXPECT_TRUE(alice.session->online());
  EXPECT_THAT(alice.events.presence, ElementsAre(Recorder::Presence{bob.id(), RelayPresenceState::here}));
}

TEST_F(RelayServer, EndsAClientWithMoreInterestThanItMayHave) {
  auto config = local_config();
  config.limits.max_interest = 2;
  start_server(std::move(config));
  const auto greedy = net::Identity::generate();
  const auto transport = dial_authenticated(*greedy);
  proto::RelayInterest interest;
  for (int i = 0; i < 3; ++i) interest.peers.push_back(net::Identity::generate()->id());
  write(*transport, proto::encode(interest));
  EXPECT_EQ(expect_frame<proto::RelayGoodbye>(*transport).code, RelayGoodbyeCode::limit);
}

TEST_F(RelayServer, ForwardsKnocksAtALimitedRate) {
  auto config = local_config();
  config.limits.rate_knocks_sent = 0.001;  // a burst of 0.005: none passes
  start_server(std::move(config));
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  EXPECT_TRUE(alice.session->knock(bob.id(), base::as_bytes("let me in")));
  settle(alice);
  settle(bob);
  EXPECT_THAT(bob.events.knocks, IsEmpty());
  EXPECT_EQ(server_->metrics().knocks_dropped, 1u);
}

TEST_F(RelayServer, ForwardsAKnockFromAStranger) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  EXPECT_FALSE(alice.session->knock(bob.id(), base::as_bytes(std::string(129, 'x'))));
  EXPECT_TRUE(alice.session->knock(bob.id(), base::as_bytes("let me in")));
  ASSERT_TRUE(run_until([&] { return !bob.events.knocks.empty(); }));
  EXPECT_THAT(bob.events.knocks, ElementsAre(Recorder::Datagram{alice.id(), "let me in"}));
}

TEST_F(RelayServer, DropsPacketsOverTheRateOfAKey) {
  auto config = local_config();
  config.limits.rate_packets = 2;
  start_server(std::move(config));
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(alice.send(bob.id(), "x"));
  ASSERT_TRUE(run_until([&] { return server_->metrics().dropped_rate >= 10; }));
  EXPECT_TRUE(alice.session->online());
}

TEST_F(RelayServer, LetsANewerSessionOfAKeyReplaceTheOlder) {
  start_server(local_config());
  Peer& older = add_online_peer();
  Peer& newer = add_online_peer(older.identity);
  ASSERT_TRUE(run_until([&] { return !older.events.offline.empty(); }));
  EXPECT_THAT(older.events.offline.front(), HasSubstr("another daemon with the same key"));
  EXPECT_EQ(older.session->state(), net::RelaySessionState::backing_off);
  Peer& bob = add_online_peer();
  EXPECT_TRUE(bob.send(newer.id(), "hello"));
  ASSERT_TRUE(run_until([&] { return !newer.events.datagrams.empty(); }));
  EXPECT_THAT(older.events.datagrams, IsEmpty());
  EXPECT_EQ(server_->metrics().ended_superseded, 1u);
}

TEST_F(RelayServer, SaysGoodbyeToEveryClientWhenItDrains) {
  start_server(local_config());
  Peer& alice = add_online_peer();
  Peer& bob = add_online_peer();
  run(server_->drain());
  ASSERT_TRUE(run_until([&] { return !alice.events.offline.empty() && !bob.events.offline.empty(); }));
  EXPECT_THAT(alice.events.offline.front(), HasSubstr("being stopped"));
  EXPECT_EQ(server_->metrics().clients, 0u);
  EXPECT_EQ(server_->metrics().unauthenticated, 0u);
}

TEST_F(RelayServer, RefusesClientsPastItsCapacityButNotANewerSessionOfOne) {
  auto config = local_config();
  config.limits.max_clients = 1;
  start_server(std::move(config));
  Peer& first = add_online_peer();
  const Peer& second = add_peer(session_config(url()));
  ASSERT_TRUE(run_until([&] { return !second.session->last_error().empty(); }));
  EXPECT_THAT(second.session->last_error(), HasSubstr("the relay is full"));
  add_online_peer(first.identity);
}

TEST_F(RelayServer, NamesTheAddressItCannotListenOn) {
  start_server(local_config());
  auto config = local_config();
  config.listen.front().port(port());
  Server second(io_.get_executor(), config, relay_identity_);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("cannot listen on 127.0.0.1:"));
  run(second.drain());
}

}  // namespace
}  // namespace p2pd::relay::test
