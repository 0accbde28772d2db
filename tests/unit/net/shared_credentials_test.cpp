// The credentials of one identity are shared by all data-plane threads.
#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/net/quic_test_pair.hpp"

namespace p2pd::net::test {
namespace {

TEST(SharedCredentials, ServeConnectionsOfSeveralThreads) {
  (void)QuicPair::identity(0);
  (void)QuicPair::identity(1);
  std::vector<std::thread> threads;
  std::array<bool, 3> confirmed{};
  for (std::size_t i = 0; i < confirmed.size(); ++i) {
    threads.emplace_back([&confirmed, i] {
      bool all = true;
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        QuicPair pair(100 * i + seed);
        all = pair.connect() && all;
      }
      confirmed[i] = all;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(confirmed, (std::array<bool, 3>{true, true, true}));
}

}  // namespace
}  // namespace p2pd::net::test
