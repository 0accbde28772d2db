#include "peer/state_machine.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

constexpr Facts kWanted{true, true, 0};
constexpr Facts kUnwanted{false, true, 0};
constexpr Facts kOffline{true, false, 0};

TEST(StateMachine, AWishDialsAtOnce) {
  const Step next = step(Idle{}, Wished{}, kWanted);
  EXPECT_EQ(next.state, State(Dialing{0}));
  EXPECT_TRUE(next.actions.dial);
  EXPECT_EQ(next.reason, "wanted");
}

TEST(StateMachine, AWishWithoutARelaySessionWaitsForOne) {
  const Step next = step(Idle{}, Wished{}, kOffline);
  EXPECT_EQ(next.state, State(Backoff{0, true}));
  EXPECT_EQ(next.actions, Actions{});
  EXPECT_EQ(next.reason, "relay_offline");
}

TEST(StateMachine, ARelaySessionThatComesDialsAtOnce) {
  for (const State& state : {State(Idle{}), State(Backoff{4, true}), State(Backoff{4, false})}) {
    const Step next = step(state, RelayChanged{}, kWanted);
    EXPECT_EQ(next.state, State(Dialing{0}));
    EXPECT_TRUE(next.actions.dial);
  }
}

TEST(StateMachine, NothingIsDialledThatNobodyWants) {
  EXPECT_EQ(step(Idle{}, PeerCame{}, kUnwanted).state, State(Idle{}));
  EXPECT_EQ(step(Idle{}, RelayChanged{}, kUnwanted).state, State(Idle{}));
  const Step over = step(Backoff{3, false}, BackoffOver{}, kUnwanted);
  EXPECT_EQ(over.state, State(Idle{}));
  EXPECT_FALSE(over.actions.dial);
}

TEST(StateMachine, APeerThatComesIsDialledAtOnceAndForgivenItsAbsence) {
  const Step next = step(Backoff{6, false}, PeerCame{}, kWanted);
  EXPECT_EQ(next.state, State(Dialing{0}));
  EXPECT_TRUE(next.actions.dial);
}

TEST(StateMachine, APeerThatComesDuringADialHurriesIt) {
  const Step next = step(Dialing{3}, PeerCame{}, kWanted);
  EXPECT_EQ(next.state, State(Dialing{0}));
  EXPECT_TRUE(next.actions.hurry);
  EXPECT_FALSE(next.actions.dial);
}

TEST(StateMachine, AFailedDialBacksOffLongerEachTime) {
  const Step first = step(Dialing{0}, DialFailed{"timeout"}, kWanted);
  EXPECT_EQ(first.state, State(Backoff{1, false}));
  EXPECT_EQ(first.actions.back_off, base::Duration(500ms));
  EXPECT_EQ(first.reason, "timeout");
  const Step later = step(Dialing{9}, DialFailed{"timeout"}, kWanted);
  EXPECT_EQ(later.actions.back_off, base::Duration(30s));
}

TEST(StateMachine, AMessageDoesNotShortenABackOff) {
  const Step next = step(Backoff{5, false}, MessageWaits{}, kWanted);
  EXPECT_EQ(next.state, State(Backoff{5, false}));
  EXPECT_EQ(next.actions, Actions{});
}

TEST(StateMachine, AWishEndsABackOff) {
  const Step next = step(Backoff{5, false}, Wished{}, kWanted);
  EXPECT_EQ(next.state, State(Dialing{5}));
  EXPECT_TRUE(next.actions.dial);
}

TEST(StateMachine, LosingTheRelayEndsADialButNoConnection) {
  const Step dialing = step(Dialing{2}, RelayChanged{}, kOffline);
  EXPECT_EQ(dialing.state, State(Backoff{2, true}));
  EXPECT_TRUE(dialing.actions.cancel_dial);
  EXPECT_EQ(step(Established{PathKind::relay}, RelayChanged{}, kOffline).state,
            State(Established{PathKind::relay}));
}

TEST(StateMachine, ALateTimerDoesNotDialWithoutARelaySession) {
  EXPECT_EQ(step(Backoff{1, true}, BackoffOver{}, kWanted).state, State(Backoff{1, true}));
  EXPECT_EQ(step(Backoff{1, false}, BackoffOver{}, kOffline).state, State(Backoff{1, true}));
}

TEST(StateMachine, AKeptConnectionIsTakenInEveryState) {
  for (const State& state :
       {State(Idle{}), State(Dialing{1}), State(Backoff{1, false}), State(Established{PathKind::direct})}) {
    const Step next = step(state, Kept{PathKind::relay, "accepted"}, kUnwanted);
    EXPECT_EQ(next.state, State(Established{PathKind::relay}));
    EXPECT_EQ(next.reason, "accepted");
  }
}

TEST(StateMachine, APathChangeKeepsTheConnection) {
  const Step next =
      step(Established{PathKind::relay}, PathMoved{PathKind::direct, "probes answered"}, kWanted);
  EXPECT_EQ(next.state, State(Established{PathKind::direct}));
}

TEST(StateMachine, ASuspectedConnectionStaysWhileAnotherIsDialled) {
  const Step next = step(Established{PathKind::relay}, Suspected{"no_answer"}, kUnwanted);
  EXPECT_EQ(next.state, State(Established{PathKind::relay}));
  EXPECT_TRUE(next.actions.dial);
  EXPECT_FALSE(next.actions.close);
  EXPECT_EQ(step(Established{}, DialFailed{"timeout"}, kWanted).state, State(Established{}));
}

TEST(StateMachine, ALostConnectionIsDialledAgainSoonWhereItIsWanted) {
  const Step wanted = step(Established{}, Lost{"peer_gone"}, kWanted);
  EXPECT_EQ(wanted.state, State(Backoff{0, false}));
  EXPECT_EQ(wanted.actions.back_off, base::Duration(250ms));
  EXPECT_EQ(step(Established{}, Lost{"peer_gone"}, kUnwanted).state, State(Idle{}));
}

TEST(StateMachine, AConnectionEndedByTheOtherUserIsNotForcedOnThem) {
  const Step next = step(Established{}, Lost{"peer_disconnected", true}, kWanted);
  EXPECT_EQ(next.state, State(Idle{}));
  EXPECT_FALSE(next.actions.back_off);
}

TEST(StateMachine, DisconnectEndsWhatThereIs) {
  const Step established = step(Established{}, Dropped{}, kWanted);
  EXPECT_EQ(established.state, State(Idle{}));
  EXPECT_TRUE(established.actions.close);
  const Step dialing = step(Dialing{}, Dropped{}, kWanted);
  EXPECT_EQ(dialing.state, State(Idle{}));
  EXPECT_TRUE(dialing.actions.cancel_dial);
  EXPECT_EQ(step(Backoff{}, Dropped{}, kWanted).state, State(Idle{}));
}

TEST(StateMachine, EveryChangeOfStateHasAReason) {
  const std::vector<State> states{Idle{}, Dialing{1}, Established{}, Backoff{1, false}, Backoff{1, true}};
  const std::vector<Event> events{Wished{},
                                  MessageWaits{},
                                  Dropped{},
                                  RelayChanged{},
                                  PeerCame{},
                                  NetworkChanged{},
                                  DialFailed{"timeout"},
                                  Kept{PathKind::relay, "answered"},
                                  PathMoved{PathKind::direct, "probes answered"},
                                  Suspected{"silent"},
                                  Lost{"peer_gone"},
                                  BackoffOver{}};
  for (const State& state : states) {
    for (const Event& event : events) {
      for (const Facts& facts : {kWanted, kUnwanted, kOffline}) {
        const Step next = step(state, event, facts);
        if (next.state.index() != state.index()) {
          EXPECT_FALSE(next.reason.empty());
        }
        // A dial always has a relay session to go through, and a wait always an end.
        if (next.actions.dial) {
          EXPECT_TRUE(facts.relay_online);
        }
        if (const auto* waiting = std::get_if<Backoff>(&next.state);
            waiting != nullptr && !waiting->for_relay && !std::holds_alternative<Backoff>(state)) {
          EXPECT_TRUE(next.actions.back_off);
        }
        if (std::holds_alternative<Dialing>(next.state) && !std::holds_alternative<Dialing>(state)) {
          EXPECT_TRUE(next.actions.dial);
        }
      }
    }
  }
}

TEST(BackOff, StaysBetweenAQuarterSecondAndHalfAMinute) {
  EXPECT_EQ(back_off_after(0, 0), base::Duration(250ms));
  EXPECT_EQ(back_off_after(0, 1), base::Duration(375ms));
  EXPECT_EQ(back_off_after(1, 0), base::Duration(500ms));
  EXPECT_EQ(back_off_after(7, 0), base::Duration(30s));
  EXPECT_EQ(back_off_after(1'000'000, 0.99), base::Duration(30s));
}

}  // namespace
}  // namespace p2pd::peer
