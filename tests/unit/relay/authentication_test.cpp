#include "relay/authentication.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pd::relay {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(AuthoritiesOf, TakesThePortThatIsThere) {
  EXPECT_THAT(authorities_of("Relay.Example:8080", false), ElementsAre("relay.example:8080"));
  EXPECT_THAT(authorities_of("[2001:DB8::1]:8080", true), ElementsAre("[2001:db8::1]:8080"));
}

TEST(AuthoritiesOf, AddsTheDefaultPortsWhereThereIsNone) {
  EXPECT_THAT(authorities_of("relay.example", true), ElementsAre("relay.example:443"));
  EXPECT_THAT(authorities_of("[2001:db8::1]", false), ElementsAre("[2001:db8::1]:80", "[2001:db8::1]:443"));
}

TEST(AuthoritiesOf, TakesNoneFromAnEmptyOrOverlongHeader) {
  EXPECT_THAT(authorities_of("", true), IsEmpty());
  EXPECT_THAT(authorities_of(std::string(proto::kRelayMaxAuthority + 1, 'x'), true), IsEmpty());
}

}  // namespace
}  // namespace p2pd::relay
