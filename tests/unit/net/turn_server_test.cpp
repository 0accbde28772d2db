#include "net/turn_server.hpp"

#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

base::WallTime at(std::int64_t seconds) { return base::WallTime(std::chrono::seconds(seconds)); }

// The figures of `printf 1700000000:p2pd | openssl dgst -sha1 -hmac secret -binary | base64`.
TEST(TurnCredentials, AreTheHmacOfExpiryAndName) {
  const TurnCredentials made = time_limited_credentials("secret", "p2pd", at(1'700'000'000));
  EXPECT_EQ(made.user, "1700000000:p2pd");
  EXPECT_EQ(made.password, "YtBNrvoHfcyDkglHnq+0gpHI93A=");
}

TEST(TurnCredentials, OfASharedSecretHoldForADay) {
  TurnServer server;
  server.shared_secret = "secret";
  server.credentials = {"unused", "unused"};
  EXPECT_EQ(credentials_of(server, at(1'000)).user, "87400:p2pd");
}

TEST(TurnCredentials, OfAUserAreTakenAsTheyAre) {
  TurnServer server;
  server.credentials = {"me", "mine"};
  EXPECT_EQ(credentials_of(server, at(1'000)).user, "me");
  EXPECT_EQ(credentials_of(server, at(1'000)).password, "mine");
}

}  // namespace
}  // namespace p2pd::net
