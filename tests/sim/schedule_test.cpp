// P2PD_SIM_SCHEDULES=n: how many seeds; P2PD_SIM_SEED=n: that one alone, with the debug log.
#include "tests/sim/schedule.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/log.hpp"

namespace p2pd::sim {
namespace {

constexpr std::uint64_t kShards = 16;

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

class Schedules : public testing::TestWithParam<std::uint64_t> {
 protected:
  // The disks that fail here are meant to.
  void SetUp() override {
    base::log::set_sink([](base::log::Level, std::string_view) {});
  }
  void TearDown() override { base::log::set_sink({}); }
};

TEST_P(Schedules, EndConnectedDirectAndWithEveryMessageOnce) {
  if (const std::uint64_t seed = number_from("P2PD_SIM_SEED", 0); seed != 0) {
    if (seed % kShards != GetParam()) GTEST_SKIP() << "another shard has the seed";
    base::log::set_sink({});
    base::log::set_level(base::log::Level::debug);
    EXPECT_EQ(run_schedule(seed), "");
    return;
  }
  const std::uint64_t schedules = number_from("P2PD_SIM_SCHEDULES", P2PD_SIM_DEFAULT_SCHEDULES);
  for (std::uint64_t seed = 1; seed <= schedules; ++seed) {
    if (seed % kShards != GetParam()) continue;
    ASSERT_EQ(run_schedule(seed), "") << "replay with P2PD_SIM_SEED=" << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Shard, Schedules, testing::Range<std::uint64_t>(0, kShards));

}  // namespace
}  // namespace p2pd::sim
