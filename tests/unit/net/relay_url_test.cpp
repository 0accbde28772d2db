#include "net/relay_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

using testing::HasSubstr;

TEST(RelayUrl, ReadsSchemeHostPortAndPath) {
  const auto url = RelayUrl::parse("wss://Relay.Example:8443/behind/proxy");
  ASSERT_TRUE(url);
  EXPECT_EQ(*url, (RelayUrl{true, "relay.example", 8443, "/behind/proxy"}));
  EXPECT_EQ(url->text(), "wss://relay.example:8443/behind/proxy");
  EXPECT_EQ(url->authority(), "relay.example:8443");
}

TEST(RelayUrl, HasOneFormForEverySpellingOfTheDefaults) {
  for (const char* text : {"ws://relay.example", "ws://relay.example/", "ws://RELAY.example:80",
                           "ws://relay.example:80/p2pd/v1"}) {
    const auto url = RelayUrl::parse(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->text(), "ws://relay.example");
    EXPECT_EQ(url->authority(), "relay.example:80");
  }
  EXPECT_EQ(RelayUrl::parse("wss://relay.example")->port, 443);
}

TEST(RelayUrl, ReadsAddresses) {
  EXPECT_EQ(RelayUrl::parse("ws://192.0.2.1:8080")->text(), "ws://192.0.2.1:8080");
  const auto v6 = RelayUrl::parse("ws://[2001:DB8:0::1]:8080");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->text(), "ws://[2001:db8::1]:8080");
  EXPECT_EQ(v6->authority(), "[2001:db8::1]:8080");
}

TEST(RelayUrl, ReadsBackWhatItWrites) {
  for (const char* text :
       {"ws://a", "wss://a:1/x", "ws://[::1]", "wss://[::1]:65535/p/q", "ws://a-b.c_d.e:81"}) {
    const auto url = RelayUrl::parse(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->text(), text);
    EXPECT_EQ(*RelayUrl::parse(url->text()), *url);
  }
}

TEST(RelayUrl, RefusesWhatIsNoneAndSaysWhy) {
  const auto why = [](std::string_view text) {
    const auto url = RelayUrl::parse(text);
    return url ? "it was taken" : url.error().message();
  };
  EXPECT_THAT(why(""), HasSubstr("must begin with ws:// or wss://"));
  EXPECT_THAT(why("https://relay.example"), HasSubstr("must begin with ws:// or wss://"));
  EXPECT_THAT(why("ws://"), HasSubstr("no usable host name"));
  EXPECT_THAT(why("ws://:80"), HasSubstr("no usable host name"));
  EXPECT_THAT(why("ws://a b"), HasSubstr("no usable host name"));
  EXPECT_THAT(why("ws://" + std::string(254, 'a')), HasSubstr("no usable host name"));
  EXPECT_THAT(why("ws://relay.example:0"), HasSubstr("port"));
  EXPECT_THAT(why("ws://relay.example:65536"), HasSubstr("port"));
  EXPECT_THAT(why("ws://relay.example:"), HasSubstr("port"));
  EXPECT_THAT(why("ws://relay.example:8x"), HasSubstr("port"));
  EXPECT_THAT(why("ws://[::1"), HasSubstr("not closed"));
  EXPECT_THAT(why("ws://[relay]"), HasSubstr("not an IPv6 address"));
  EXPECT_THAT(why("ws://[::1]80"), HasSubstr("port"));
  EXPECT_THAT(why("ws://user:secret@relay.example"), HasSubstr("no user name"));
  EXPECT_THAT(why("ws://relay.example/?x"), HasSubstr("no query"));
  EXPECT_THAT(why("ws://relay.example#x"), HasSubstr("no fragment"));
  EXPECT_THAT(why("ws://relay.example/a b"), HasSubstr("its path"));
}

}  // namespace
}  // namespace p2pd::net
