#include "peer/ice_control.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

struct AgentNotes {
  std::vector<std::uint32_t> started;
  bool controlling = false;
  std::vector<std::string> remote_ufrags;
  std::vector<std::string> candidates;
  int done = 0;
};

class NotedIce final : public net::Ice {
 public:
  explicit NotedIce(AgentNotes& notes) : notes_(notes) {}
  net::IceCredentials start(std::uint32_t generation, bool controlling) override {
    notes_.started.push_back(generation);
    notes_.controlling = controlling;
    return {"own" + std::to_string(generation), std::string(22, 'p')};
  }
  void set_remote_credentials(std::uint32_t, const net::IceCredentials& credentials) override {
    notes_.remote_ufrags.push_back(credentials.ufrag);
  }
  void add_remote_candidate(std::uint32_t, const proto::Candidate& candidate) override {
    notes_.candidates.push_back(candidate.endpoint.address_text());
  }
  void remote_candidates_done(std::uint32_t) override { ++notes_.done; }
  net::SendOutcome send(base::ByteView) override { return net::SendOutcome::sent; }
  void stop(std::function<void()>) override {}

 private:
  AgentNotes& notes_;
};

class IceControlTest : public testing::Test, protected IceControlSink, protected net::IceEvents {
 protected:
  std::unique_ptr<net::Ice> make_ice(net::IceEvents&) override {
    ++made;
    return std::make_unique<NotedIce>(agent);
  }
  void retire_ice(std::unique_ptr<net::Ice> old) override { retired.push_back(std::move(old)); }
  void send_control(const proto::ControlMessage& message) override { sent.push_back(message); }
  void on_ice_candidate_seen(std::string_view side, std::uint32_t, const proto::Candidate& candidate,
                             std::string_view state, std::string_view reason) override {
    seen.push_back(std::string(side) + " " + candidate.endpoint.address_text() + " " + std::string(state) +
                   (reason.empty() ? "" : " " + std::string(reason)));
  }
  void on_ice_candidate(std::uint32_t, const proto::Candidate&) override {}
  void on_ice_gathering_done(std::uint32_t) override {}
  void on_ice_connected(std::uint32_t, const net::IcePair&) override {}
  void on_ice_failed(std::uint32_t, net::IceFailure) override {}
  void on_ice_datagram(base::ByteView) override {}
  void on_ice_batch_end() override {}

  static proto::Candidate host(std::string_view address, std::uint16_t port = 4000) {
    proto::Candidate out;
    out.foundation = "1";
    out.priority = 1;
    out.endpoint = *proto::Endpoint::from_text(address, port);
    return out;
  }
  static proto::ControlIceCredentials credentials(std::uint32_t generation) {
    return {generation, "their" + std::to_string(generation), std::string(22, 'q')};
  }
  [[nodiscard]] std::uint32_t last_proposal() const {
    std::uint32_t generation = 0;
    for (const auto& message : sent) {
      if (const auto* own = std::get_if<proto::ControlIceCredentials>(&message)) generation = own->generation;
    }
    return generation;
  }

  base::TimePoint now{1h};
  int made = 0;
  AgentNotes agent;
  std::vector<std::unique_ptr<net::Ice>> retired;
  std::vector<proto::ControlMessage> sent;
  std::vector<std::string> seen;
  IceControl ice{*this, *this, base::PeerId(), true, {}};
};

TEST_F(IceControlTest, ProposesTheFirstGenerationOnce) {
  ice.start("test");
  ice.start("test");
  EXPECT_EQ(made, 1);
  EXPECT_EQ(agent.started, std::vector<std::uint32_t>{1});
  EXPECT_TRUE(agent.controlling);
  EXPECT_EQ(last_proposal(), 1U);
}

TEST_F(IceControlTest, EqualProposalsMerge) {
  ice.start("test");
  EXPECT_TRUE(ice.receive(credentials(1), now));
  EXPECT_EQ(agent.started.size(), 1U);
  EXPECT_EQ(agent.remote_ufrags, std::vector<std::string>{"their1"});
  ice.restart("test", now);
  EXPECT_TRUE(ice.receive(credentials(2), now));
  EXPECT_EQ(agent.started, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(agent.remote_ufrags, (std::vector<std::string>{"their1", "their2"}));
}

TEST_F(IceControlTest, JoinsAHigherProposal) {
  ice.start("test");
  EXPECT_TRUE(ice.receive(credentials(1), now));
  EXPECT_TRUE(ice.receive(credentials(2), now));
  EXPECT_EQ(agent.started, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(last_proposal(), 2U);
}

TEST_F(IceControlTest, IgnoresAnOlderProposalAndItsCandidates) {
  ice.start("test");
  ice.restart("test", now);
  EXPECT_TRUE(ice.receive(credentials(1), now));
  ice.receive(proto::ControlCandidate{1, host("10.0.0.1")});
  ice.receive(proto::ControlCandidatesDone{1});
  EXPECT_TRUE(agent.remote_ufrags.empty());
  EXPECT_TRUE(agent.candidates.empty());
  EXPECT_EQ(agent.done, 0);
}

TEST_F(IceControlTest, RefusesAGenerationFarAheadOrRepeated) {
  ice.start("test");
  EXPECT_FALSE(ice.receive(credentials(4'000'000'000), now));
  EXPECT_TRUE(ice.receive(credentials(1), now));
  EXPECT_FALSE(ice.receive(credentials(1), now));
}

TEST_F(IceControlTest, AProposingPeerCannotMakeAgentsWithoutEnd) {
  ice.start("test");
  std::uint32_t generation = 1;
  while (generation < 1'000 && ice.receive(credentials(generation + 1), now)) ++generation;
  EXPECT_EQ(generation, 31U);
}

TEST_F(IceControlTest, JudgesRemoteCandidatesBeforeTheAgentHearsOfThem) {
  ice.start("test");
  EXPECT_TRUE(ice.receive(credentials(1), now));
  ice.receive(proto::ControlCandidate{1, host("::ffff:127.0.0.1")});
  ice.receive(proto::ControlCandidate{1, host("::ffff:10.0.0.9")});
  ice.receive(proto::ControlCandidate{1, host("10.0.0.9")});
  EXPECT_EQ(agent.candidates, std::vector<std::string>{"10.0.0.9"});
  EXPECT_EQ(seen,
            (std::vector<std::string>{"remote ::ffff:127.0.0.1 received", "remote 127.0.0.1 refused loopback",
                                      "remote ::ffff:10.0.0.9 received", "remote 10.0.0.9 accepted",
                                      "remote 10.0.0.9 received", "remote 10.0.0.9 refused duplicate"}));
}

TEST_F(IceControlTest, TellsOfEachLocalCandidateWhenGatheredAndWhenSent) {
  ice.start("test");
  EXPECT_TRUE(ice.on_candidate(1, host("10.0.0.1")));
  EXPECT_EQ(seen, (std::vector<std::string>{"local 10.0.0.1 gathered", "local 10.0.0.1 sent"}));
  EXPECT_EQ(sent.back(), proto::ControlMessage(proto::ControlCandidate{1, host("10.0.0.1")}));
  EXPECT_TRUE(ice.on_gathering_done(1));
  EXPECT_EQ(sent.back(), proto::ControlMessage(proto::ControlCandidatesDone{1}));
}

TEST_F(IceControlTest, IgnoresAnOlderGenerationsEvents) {
  ice.start("test");
  ice.restart("test", now);
  const std::size_t before = sent.size();
  EXPECT_FALSE(ice.on_candidate(1, host("10.0.0.1")));
  EXPECT_FALSE(ice.on_gathering_done(1));
  EXPECT_FALSE(ice.on_connected(1, {host("10.0.0.1"), host("10.0.0.2")}));
  EXPECT_FALSE(ice.on_failed(1, net::IceFailure::checks_failed, now));
  EXPECT_EQ(sent.size(), before);
  EXPECT_FALSE(ice.pair());
}

TEST_F(IceControlTest, TriesAgainByTheSchedule) {
  ice.start("test");
  std::uint32_t generation = 1;
  for (const base::Duration wait :
       std::vector<base::Duration>{0s, 3s, 6s, 12s, 60s, 120s, 240s, 300s, 300s}) {
    EXPECT_TRUE(ice.on_failed(generation, net::IceFailure::checks_failed, now));
    EXPECT_EQ(ice.deadline(), now + wait);
    EXPECT_EQ(ice.last_failure(), net::IceFailure::checks_failed);
    now = ice.deadline();
    ice.on_time(now);
    EXPECT_EQ(last_proposal(), ++generation);
    EXPECT_EQ(ice.deadline(), base::kNever);
  }
}

TEST_F(IceControlTest, AProposalOfThePeerTakesThePlaceOfAWaitingTry) {
  ice.start("test");
  EXPECT_TRUE(ice.on_failed(1, net::IceFailure::checks_failed, now));
  EXPECT_TRUE(ice.receive(credentials(2), now));
  EXPECT_EQ(ice.deadline(), base::kNever);
  EXPECT_EQ(last_proposal(), 2U);
}

TEST_F(IceControlTest, AnotherNetworkOfThePeerMakesTheLastFailureSayNothing) {
  ice.start("test");
  std::uint32_t generation = 1;
  const auto begin = [&](const std::vector<proto::Candidate>& candidates) {
    ASSERT_TRUE(ice.receive(credentials(generation), now));
    for (const proto::Candidate& candidate : candidates)
      ice.receive(proto::ControlCandidate{generation, candidate});
  };
  const auto fail = [&] {
    ice.receive(proto::ControlCandidatesDone{generation});
    ASSERT_TRUE(ice.on_failed(generation, net::IceFailure::checks_failed, now));
    ASSERT_TRUE(ice.last_failure());
    ++generation;
  };
  proto::Candidate reflexive = host("192.0.2.9");
  reflexive.type = proto::CandidateType::srflx;
  begin({host("10.0.0.1"), reflexive});
  fail();
  // The same addresses, as in a later try from the same place: the ports are always others.
  reflexive.endpoint.port = 7;
  begin({host("10.0.0.1", 4001), reflexive});
  EXPECT_TRUE(ice.last_failure());
  fail();
  begin({host("10.0.0.1", 4002)});
  EXPECT_TRUE(ice.last_failure());
  ice.receive(proto::ControlCandidatesDone{generation});
  EXPECT_FALSE(ice.last_failure());  // it has no reflexive address any more
  fail();
  begin({host("10.0.0.2")});
  EXPECT_FALSE(ice.last_failure());
}

TEST_F(IceControlTest, AFailedRestartLeavesTheEarlierPairToTheLink) {
  ice.start("test");
  EXPECT_TRUE(ice.on_connected(1, {host("10.0.0.1"), host("10.0.0.2")}));
  EXPECT_FALSE(ice.last_failure());
  ice.restart("test", now);
  EXPECT_TRUE(ice.on_failed(2, net::IceFailure::checks_failed, now));
  EXPECT_TRUE(ice.pair());
}

TEST_F(IceControlTest, AfterAStopItGoesOnWithTheNextGeneration) {
  ice.start("test");
  EXPECT_TRUE(ice.receive(credentials(1), now));
  ice.stop();
  EXPECT_EQ(retired.size(), 1U);
  EXPECT_FALSE(ice.running());
  EXPECT_EQ(ice.send({}), net::SendOutcome::no_path);
  // The peer has not heard of it yet.
  EXPECT_TRUE(ice.receive(credentials(2), now));
  ice.receive(proto::ControlCandidate{2, host("10.0.0.1")});
  EXPECT_TRUE(agent.candidates.empty());
  ice.start("test");
  EXPECT_EQ(agent.started.back(), 3U);
}

}  // namespace
}  // namespace p2pd::peer
