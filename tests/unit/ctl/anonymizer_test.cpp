#include "ctl/anonymizer.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace p2pd::ctl {
namespace {

using nlohmann::json;

const std::string kBob = "bobqv53p6nj6mklaalnv5lwjeuz3hxidzzqrcyywsandtmw6ieuq";
const std::string kEve = "eveghxclsdw3miz7ydvh5lwjeuz3hxidzzqrcyywsandtmw6ieuq";

TEST(Anonymizer, APeerIsThePlaceholderUnderItsIdItsBriefAndItsName) {
  Anonymizer it;
  it.learn({{"peers", {{{"id", kBob}, {"name", "bob"}}, {{"id", kEve}, {"name", "Eve's laptop"}}}}});
  EXPECT_EQ(it.apply_text("peer: dial peer=" + kBob.substr(0, 10) + " name=bob"),
            "peer: dial peer=peer-1 name=peer-1");
  EXPECT_EQ(it.apply_text(kEve + " is \"Eve's laptop\""), "peer-2 is \"peer-2\"");
  EXPECT_EQ(it.apply_text("bobsleigh, bob."), "bobsleigh, peer-1.") << "a name is a whole word";
  EXPECT_EQ(it.apply(json{{"name", "bob"}, {"id", kBob}, {"n", 3}}),
            (json{{"name", "peer-1"}, {"id", "peer-1"}, {"n", 3}}));
}

TEST(Anonymizer, StrangersIdsAreHiddenTooAndOrdinaryWordsAreNot) {
  Anonymizer it;
  EXPECT_EQ(it.apply_text("relay=n3edwyywg6 state=connecting connection candidates"),
            "relay=peer-1 state=connecting connection candidates");
  EXPECT_EQ(it.apply_text("from " + kEve), "from peer-2");
}

TEST(Anonymizer, AddressesKeepTheirFamilyClassAndPort) {
  Anonymizer it;
  EXPECT_EQ(it.apply_text("host 192.168.1.7:40112 srflx 203.0.113.9:51820"),
            "host addr-1-v4-private:40112 srflx addr-2-v4-public:51820");
  EXPECT_EQ(it.apply_text("address=203.0.113.9, 203.0.113.9."),
            "address=addr-2-v4-public, addr-2-v4-public.");
  EXPECT_EQ(it.apply_text("[2001:db8::1]:443 fe80::1 fd00::2 100.64.0.1"),
            "[addr-3-v6-public]:443 addr-4-v6-linklocal addr-5-v6-private addr-6-v4-shared");
  EXPECT_EQ(it.apply_text("2001:DB8:0::1 ::ffff:10.0.0.1"), "addr-3-v6-public addr-7-v6-private");
  EXPECT_EQ(it.apply_text("127.0.0.1:1 ::1 0.0.0.0 version 0.1.0 12:30:15"),
            "127.0.0.1:1 ::1 0.0.0.0 version 0.1.0 12:30:15");
}

TEST(Anonymizer, HostsOfUrlsAreLearnedWhereverTheyStand) {
  Anonymizer it;
  it.learn({{"relays", {"wss://relay.example:443/p2pd/v1", "ws://10.0.0.1:80"}}});
  it.learn_host("stun.example");
  EXPECT_EQ(it.apply_text("url=wss://relay.example:443/p2pd/v1 relay.example: refused"),
            "url=wss://host-1:443/p2pd/v1 host-1: refused");
  EXPECT_EQ(it.apply_text("ws://10.0.0.1:80 stun.example:3478"), "ws://addr-1-v4-private:80 host-2:3478");
}

TEST(Anonymizer, PathsAreHiddenKnownOnesWithTheirBlanks) {
  Anonymizer it;
  it.learn_path("/home/John Doe/.local");
  EXPECT_EQ(it.apply_text("file=\"/home/John Doe/.local/p2pd.db\" other=/etc/p2pd/p2pd.conf:12"),
            "file=\"path-1/p2pd.db\" other=path-2:12");
  EXPECT_EQ(it.apply_text("(/etc/p2pd/p2pd.conf) and 3/4"), "(path-2) and 3/4");
}

}  // namespace
}  // namespace p2pd::ctl
