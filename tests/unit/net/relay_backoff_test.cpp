#include "net/relay_backoff.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/relay_error.hpp"
#include "net/relay_interest.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

base::Error error(RelayError code) { return {make_error_code(code), ""}; }

TEST(RelayBackoff, GrowsFromTheLeastToTheMost) {
  const RelaySessionConfig config;
  RelayBackoff backoff(config);
  EXPECT_EQ(backoff.next(error(RelayError::closed), 1.0), 250ms);
  EXPECT_EQ(backoff.next(error(RelayError::closed), 1.0), 375ms);
  for (int i = 0; i < 100; ++i) (void)backoff.next(error(RelayError::closed), 1.0);
  EXPECT_EQ(backoff.next(error(RelayError::closed), 1.0), 30s);
  backoff.reset();
  EXPECT_EQ(backoff.next(error(RelayError::closed), 1.0), 250ms);
}

TEST(RelayBackoff, IsJitteredByHalf) {
  const RelaySessionConfig config;
  RelayBackoff backoff(config);
  EXPECT_EQ(backoff.next(error(RelayError::closed), 0.0), 125ms);
}

// A relay that was away for a minute is found again within a third of that.
TEST(RelayBackoff, StaysInProportionToTheOutage) {
  const RelaySessionConfig config;
  RelayBackoff backoff(config);
  auto down = 0ms;
  while (down < 60s) {
    const auto next = backoff.next(error(RelayError::closed), 1.0);
    EXPECT_LE(next, 300ms + down / 2);
    down += next;
  }
}

TEST(RelayBackoff, WaitsLongerForWhatOnlyAPersonCanMend) {
  const RelaySessionConfig config;
  for (const RelayError code : {RelayError::certificate_refused, RelayError::wrong_relay_key,
                                RelayError::authentication_failed, RelayError::not_permitted}) {
    RelayBackoff backoff(config);
    EXPECT_EQ(backoff.next(error(code), 1.0), 5s);
  }
}

TEST(RelayBackoff, WaitsLongestForAnotherDaemonWithTheSameKey) {
  const RelaySessionConfig config;
  RelayBackoff backoff(config);
  EXPECT_EQ(backoff.next(error(RelayError::superseded), 0.0), 60s);
  EXPECT_EQ(backoff.next(error(RelayError::superseded), 1.0), 90s);
}

TEST(RelayBackoff, SpreadsTheClientsOfADrainingRelay) {
  const RelaySessionConfig config;
  EXPECT_EQ(RelayBackoff(config).next(error(RelayError::draining), 0.0), 125ms);
  EXPECT_EQ(RelayBackoff(config).next(error(RelayError::draining), 1.0), 1'750ms);
}

base::PeerId id_of(std::uint16_t number) {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key[0] = static_cast<std::uint8_t>(number >> 8);
  key[1] = static_cast<std::uint8_t>(number);
  return base::PeerId(key);
}

std::vector<proto::RelayInterest> parsed(const std::vector<base::Bytes>& frames) {
  std::vector<proto::RelayInterest> out;
  for (const base::Bytes& frame : frames) {
    const auto read = proto::parse_client_frame(frame);
    EXPECT_TRUE(read);
    out.push_back(std::get<proto::RelayInterest>(*read));
  }
  return out;
}

TEST(RelayInterestList, TellsOnlyWhatChangedAndFirstWhatGoes) {
  RelayInterestList list;
  EXPECT_THAT(parsed(list.update({id_of(1), id_of(2), id_of(1)}, 9)),
              ElementsAre(proto::RelayInterest{proto::RelayInterestOp::add, {id_of(1), id_of(2)}}));
  EXPECT_THAT(list.update({id_of(2), id_of(1)}, 9), IsEmpty());
  EXPECT_THAT(parsed(list.update({id_of(2), id_of(3)}, 9)),
              ElementsAre(proto::RelayInterest{proto::RelayInterestOp::remove, {id_of(1)}},
                          proto::RelayInterest{proto::RelayInterestOp::add, {id_of(3)}}));
  list.forget();
  EXPECT_EQ(parsed(list.update({id_of(2)}, 9)).front().op, proto::RelayInterestOp::add);
}

TEST(RelayInterestList, TellsNoMoreThanTheLimit) {
  RelayInterestList list;
  EXPECT_THAT(parsed(list.update({id_of(3), id_of(2), id_of(1)}, 2)),
              ElementsAre(proto::RelayInterest{proto::RelayInterestOp::add, {id_of(2), id_of(3)}}));
  EXPECT_EQ(list.told(), 2u);
}

TEST(RelayInterestList, SplitsWhatDoesNotFitOneFrame) {
  std::vector<base::PeerId> many;
  for (std::uint16_t i = 0; i < 5'000; ++i) many.push_back(id_of(i));
  RelayInterestList list;
  const auto frames = parsed(list.update(many, 65'535));
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].peers.size() + frames[1].peers.size() + frames[2].peers.size(), 5'000u);
}

}  // namespace
}  // namespace p2pd::net
