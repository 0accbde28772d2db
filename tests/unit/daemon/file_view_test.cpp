#include "daemon/file_view.hpp"

#include <chrono>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "proto/file_frames.hpp"

namespace p2pd::daemon {
namespace {

using namespace std::chrono_literals;

TEST(RateMeter, FollowsWhatGrowsEvenly) {
  RateMeter meter;
  base::TimePoint now{1h};
  EXPECT_FALSE(meter.rate());
  std::uint64_t bytes = 0;
  for (int i = 0; i < 40; ++i, now += 250ms, bytes += 1000) meter.sample(bytes, now);
  ASSERT_TRUE(meter.rate());
  EXPECT_NEAR(*meter.rate(), 4000, 1);
}

TEST(RateMeter, ForgetsAnEarlierRateWithinSeconds) {
  RateMeter meter;
  base::TimePoint now{1h};
  std::uint64_t bytes = 0;
  for (int i = 0; i < 20; ++i, now += 250ms, bytes += 1'000'000) meter.sample(bytes, now);
  for (int i = 0; i < 40; ++i, now += 250ms) meter.sample(bytes, now);
  EXPECT_LT(*meter.rate(), 100'000);
}

TEST(RateMeter, TakesNoLeapBackForARate) {
  RateMeter meter;
  const base::TimePoint now{1h};
  meter.sample(1'000'000, now);
  meter.sample(2'000'000, now + 1s);
  meter.sample(0, now + 2s);
  EXPECT_FALSE(meter.rate());
  meter.sample(500, now + 2s);
  EXPECT_FALSE(meter.rate()) << "no time has passed";
}

TEST(TransferReasons, AreEachASentence) {
  for (std::uint8_t reason = 1; reason <= 7; ++reason) {
    const std::string_view word = to_string(static_cast<proto::FileRefusal>(reason));
    EXPECT_NE(explain_reason(word), word);
  }
  for (std::uint8_t reason = 1; reason <= 3; ++reason) {
    const std::string_view word = to_string(static_cast<proto::FileWithdrawal>(reason));
    EXPECT_NE(explain_reason(word), word);
  }
  EXPECT_EQ(explain_reason("of a later version"), "of a later version");
}

TEST(TransferView, HasAPathOnlyOnceItIsStored) {
  store::TransferRow row;
  row.direction = store::TransferDirection::incoming;
  row.folder = "/in";
  row.size = 5;
  row.durable = 3;
  EXPECT_TRUE(to_json({row, "bob", TransferStage::active, 3, {}, {}}).at("path").is_null());
  row.state = store::TransferState::failed;
  row.reason = "mismatch";
  const auto failed = to_json(finished_view(row, "bob"));
  EXPECT_EQ(failed.at("bytes"), 3);
  EXPECT_TRUE(failed.at("path").is_null());
  EXPECT_TRUE(failed.contains("explanation"));
  row.state = store::TransferState::done;
  row.reason.clear();
  row.stored_name = "a (1)";
  const auto done = to_json(finished_view(row, "bob"));
  EXPECT_EQ(done.at("path"), "/in/a (1)");
  EXPECT_EQ(done.at("bytes"), 5);
}

}  // namespace
}  // namespace p2pd::daemon
