#include "peer/path_selector.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

PathView good(std::optional<base::Duration> rtt = std::nullopt) {
  return {.state = PathState::alive, .steady = true, .barred = false, .rtt = rtt};
}
PathView in_state(PathState state) {
  return {.state = state, .steady = false, .barred = false, .rtt = std::nullopt};
}
PathViews views(PathView direct, PathView turn, PathView relay) { return {direct, turn, relay}; }

const PathView kDown = in_state(PathState::down);
const PathView kDead = in_state(PathState::dead);

TEST(PathSelector, PrefersDirectThenTurnThenRelay) {
  EXPECT_EQ(select_path(views(good(), good(), good()), PathKind::relay), PathKind::direct);
  EXPECT_EQ(select_path(views(kDown, good(), good()), PathKind::relay), PathKind::turn);
  EXPECT_EQ(select_path(views(kDown, kDown, good()), PathKind::relay), PathKind::relay);
}

TEST(PathSelector, TakesDirectHoweverSlowItIs) {
  const PathViews paths = views(good(milliseconds(400)), good(milliseconds(10)), good(milliseconds(5)));
  EXPECT_EQ(select_path(paths, PathKind::relay), PathKind::direct);
}

TEST(PathSelector, DoesNotMoveOntoAnUnprovenPath) {
  for (const PathState state : {PathState::probing, PathState::suspect, PathState::dead}) {
    EXPECT_EQ(select_path(views(in_state(state), kDown, good()), PathKind::relay), PathKind::relay);
  }
  EXPECT_EQ(select_path(views(in_state(PathState::alive), kDown, good()), PathKind::relay), PathKind::relay)
      << "alive, but not answered often enough";
}

TEST(PathSelector, KeepsASuspectPathInUse) {
  EXPECT_EQ(select_path(views(in_state(PathState::suspect), kDown, good()), PathKind::direct),
            PathKind::direct);
}

TEST(PathSelector, FallsBackToRelayWhenThePathInUseIsDead) {
  EXPECT_EQ(select_path(views(kDead, kDown, good()), PathKind::direct), PathKind::relay);
  EXPECT_EQ(select_path(views(kDown, kDown, good()), PathKind::direct), PathKind::relay);
  EXPECT_EQ(select_path(views(kDead, kDown, in_state(PathState::probing)), PathKind::direct),
            PathKind::relay);
  EXPECT_EQ(select_path(views(kDead, kDown, kDead), PathKind::direct), PathKind::relay);
}

TEST(PathSelector, StaysWhereItIsWhenNothingElseIsThere) {
  EXPECT_EQ(select_path(views(kDead, kDown, kDown), PathKind::direct), PathKind::direct);
  EXPECT_EQ(select_path(views(kDown, kDown, kDown), PathKind::direct), PathKind::direct);
}

TEST(PathSelector, UsesABarredPathOnlyWhenNothingElseAnswers) {
  PathView barred = good();
  barred.barred = true;
  EXPECT_EQ(select_path(views(barred, kDown, good()), PathKind::relay), PathKind::relay);
  EXPECT_EQ(select_path(views(barred, kDown, kDead), PathKind::relay), PathKind::direct);
  EXPECT_EQ(select_path(views(barred, kDown, kDead), PathKind::direct), PathKind::direct);
  EXPECT_EQ(select_path(views(barred, kDown, good()), PathKind::direct), PathKind::relay);
}

TEST(PathSelector, LeavesTurnForARelayQuickerByFiveMillisecondsAndTenPercent) {
  const auto from_turn = [](base::Duration turn, base::Duration relay) {
    return select_path(views(kDown, good(turn), good(relay)), PathKind::turn);
  };
  EXPECT_EQ(from_turn(milliseconds(20), milliseconds(15)), PathKind::relay);
  EXPECT_EQ(from_turn(milliseconds(20), microseconds(15'001)), PathKind::turn) << "less than 5 ms";
  EXPECT_EQ(from_turn(milliseconds(100), milliseconds(90)), PathKind::relay);
  EXPECT_EQ(from_turn(milliseconds(100), milliseconds(91)), PathKind::turn) << "less than 10 %";
  EXPECT_EQ(from_turn(milliseconds(20), milliseconds(300)), PathKind::turn);
}

TEST(PathSelector, ReturnsToTurnOnlyWhenTheRelaysLeadHasHalved) {
  const auto from_relay = [](base::Duration turn, base::Duration relay) {
    return select_path(views(kDown, good(turn), good(relay)), PathKind::relay);
  };
  EXPECT_EQ(from_relay(milliseconds(20), milliseconds(17)), PathKind::relay);
  EXPECT_EQ(from_relay(milliseconds(20), milliseconds(18)), PathKind::turn);
  EXPECT_EQ(from_relay(milliseconds(200), milliseconds(190)), PathKind::relay);
  EXPECT_EQ(from_relay(milliseconds(200), milliseconds(191)), PathKind::turn);
}

// Choosing again without news must not move anything: the Link would never come to rest.
TEST(PathSelector, ChoosesTheSameAgainForEveryCombination) {
  std::vector<PathView> all;
  for (const PathState state :
       {PathState::down, PathState::probing, PathState::alive, PathState::suspect, PathState::dead}) {
    for (const bool steady : {false, true}) {
      for (const bool barred : {false, true}) {
        for (const int rtt : {-1, 10, 17, 22}) {
          all.push_back({.state = state,
                         .steady = steady,
                         .barred = barred,
                         .rtt = rtt < 0 ? std::nullopt : std::optional<base::Duration>(milliseconds(rtt))});
        }
      }
    }
  }
  std::size_t unstable = 0;
  for (const PathView& direct : all) {
    if (direct.rtt) continue;  // not looked at
    for (const PathView& turn : all) {
      for (const PathView& relay : all) {
        const PathViews paths = views(direct, turn, relay);
        for (const PathKind current : {PathKind::direct, PathKind::turn, PathKind::relay}) {
          const PathKind chosen = select_path(paths, current);
          if (select_path(paths, chosen) != chosen) ++unstable;
        }
      }
    }
  }
  EXPECT_EQ(unstable, 0U);
}

}  // namespace
}  // namespace p2pd::peer
