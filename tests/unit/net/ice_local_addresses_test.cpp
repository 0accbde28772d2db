#include <algorithm>

#include <gtest/gtest.h>

#include "net/local_addresses.hpp"

namespace p2pd::net {
namespace {

TEST(LocalAddresses, NamesTheInterfaceAndKindOfEachAddress) {
  const auto found = local_addresses();
  for (const LocalAddress& local : found) {
    EXPECT_FALSE(local.interface_name.empty());
    EXPECT_EQ(local.address.port, 0);
    proto::Candidate candidate;
    candidate.foundation = "1";
    candidate.priority = 1;
    candidate.endpoint = local.address;
    candidate.endpoint.port = 1;
    const auto refusal = proto::judge(candidate, {});
    if (local.loopback && local.interface_name == "lo") {
      EXPECT_EQ(refusal, proto::CandidateRefusal::loopback) << local.address.address_text();
    }
    EXPECT_EQ(local.link_local, refusal == proto::CandidateRefusal::link_local)
        << local.address.address_text();
  }
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const auto& local) { return local.loopback; }));
}

TEST(LocalAddresses, AreEqualWhileTheNetworkIsTheSame) { EXPECT_EQ(local_addresses(), local_addresses()); }

}  // namespace
}  // namespace p2pd::net
