#include "net/proxy_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ProxyUrl, ReadsKindHostAndPort) {
  EXPECT_EQ(*ProxyUrl::parse("socks5://127.0.0.1"),
            (ProxyUrl{ProxyUrl::Kind::socks5, "127.0.0.1", 1080, "", ""}));
  EXPECT_EQ(*ProxyUrl::parse("socks5h://localhost:9050/"),
            (ProxyUrl{ProxyUrl::Kind::socks5, "localhost", 9050, "", ""}));
  EXPECT_EQ(*ProxyUrl::parse("http://[2001:DB8::1]:3128"),
            (ProxyUrl{ProxyUrl::Kind::http, "2001:db8::1", 3128, "", ""}));
  EXPECT_EQ(ProxyUrl::parse("http://192.0.2.1")->port, 8080);
}

TEST(ProxyUrl, ReadsCredentialsAndKeepsThemFromPeople) {
  const auto url = ProxyUrl::parse("socks5://us%65r:p%40ss%3A%2f@192.0.2.1:1081");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@ss:/");
  EXPECT_EQ(url->text(), "socks5://***:***@192.0.2.1:1081");
  EXPECT_EQ(ProxyUrl::parse("http://[::1]:3128")->text(), "http://[::1]:3128");
}

TEST(ProxyUrl, RefusesWhatIsNoneAndSaysWhyWithoutThePassword) {
  const auto why = [](std::string_view text) {
    const auto url = ProxyUrl::parse(text);
    return url ? "it was taken" : url.error().message();
  };
  EXPECT_THAT(why(""), HasSubstr("must begin with socks5:// or http://"));
  EXPECT_THAT(why("https://192.0.2.1"), HasSubstr("must begin with socks5:// or http://"));
  EXPECT_THAT(why("192.0.2.1:1080"), HasSubstr("must begin with socks5:// or http://"));
  EXPECT_THAT(why("socks5://proxy.example"), HasSubstr("a DNS query outside it"));
  EXPECT_THAT(why("socks5://"), HasSubstr("no usable host name"));
  EXPECT_THAT(why("socks5://192.0.2.1:0"), HasSubstr("port"));
  EXPECT_THAT(why("socks5://192.0.2.1:65536"), HasSubstr("port"));
  EXPECT_THAT(why("socks5://[::1"), HasSubstr("bracket"));
  EXPECT_THAT(why("http://192.0.2.1/path"), HasSubstr("no path"));
  EXPECT_THAT(why("http://192.0.2.1?q"), HasSubstr("no path"));
  for (const std::string credentials :
       {"secret@", ":secret@", "secret:@", "a:secret%@", "a:secret%4@", "a:secret%zz@", "a%3Ab:secret@"}) {
    EXPECT_THAT(why("http://" + credentials + "192.0.2.1"), HasSubstr("USER:PASSWORD")) << credentials;
    EXPECT_THAT(why("http://" + credentials + "192.0.2.1"), Not(HasSubstr("secret"))) << credentials;
  }
  EXPECT_THAT(why("http://a:" + std::string(256, 'x') + "@192.0.2.1"), HasSubstr("USER:PASSWORD"));
}

}  // namespace
}  // namespace p2pd::net
