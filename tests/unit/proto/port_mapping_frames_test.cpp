#include "proto/port_mapping_frames.hpp"

#include <gtest/gtest.h>

#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

using Kind = PortMappingReply::Kind;

PortMappingRequest request() {
  PortMappingRequest out;
  for (std::size_t i = 0; i < out.nonce.size(); ++i) out.nonce[i] = static_cast<std::uint8_t>(i + 1);
  out.lifetime = 1'800;
  out.internal_port = 0x1234;
  out.external = *Endpoint::from_text("203.0.113.9", 0x5678);
  return out;
}

Endpoint client() { return *Endpoint::from_text("192.168.1.7", 0); }

// RFC 6887 figures 3 and 10, with the server's address in the client's place left out.
base::Bytes pcp_reply(std::uint8_t result, const std::string& address_hex) {
  const std::string hex = "0281000" + std::to_string(result) +
                          "00000708"                  // lifetime
                          "00000064"                  // epoch
                          "000000000000000000000000"  // reserved
                          "0102030405060708090a0b0c"  // nonce
                          "11000000"                  // UDP
                          "12345678" +                // ports
                          address_hex;
  base::Bytes out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  return out;
}

const std::string kMapped = "00000000000000000000ffffcb007109";

TEST(PortMappingFrames, PcpMapRequestIsAsTheRfcDrawsIt) {
  EXPECT_EQ(base::to_hex(encode_pcp_map(client(), request())),
            "02010000"
            "00000708"
            "00000000000000000000ffffc0a80107"
            "0102030405060708090a0b0c"
            "11000000"
            "12345678" +
                kMapped);
  EXPECT_EQ(base::to_hex(encode_pcp_announce(client())),
            "0200000000000000"
            "00000000000000000000ffffc0a80107");
}

TEST(PortMappingFrames, NatPmpRequestsAreAsTheRfcDrawsThem) {
  EXPECT_EQ(base::to_hex(encode_natpmp_map(request())), "000100001234567800000708");
  EXPECT_EQ(base::to_hex(encode_natpmp_address()), "0000");
  PortMappingRequest deletion = request();
  deletion.lifetime = 0;
  EXPECT_EQ(base::to_hex(encode_natpmp_map(deletion)), "000100001234000000000000");
}

TEST(PortMappingFrames, ReadsAPcpMapping) {
  const auto reply = parse_port_mapping_reply(pcp_reply(0, kMapped));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, Kind::pcp_map);
  EXPECT_EQ(reply->lifetime, 1'800u);
  EXPECT_EQ(reply->epoch, 100u);
  EXPECT_EQ(reply->nonce, request().nonce);
  EXPECT_EQ(reply->internal_port, 0x1234);
  EXPECT_EQ(reply->external, request().external);
}

TEST(PortMappingFrames, ReadsNatPmp) {
  const base::Bytes mapping{0, 129, 0, 0, 0, 0, 0, 100, 0x12, 0x34, 0x56, 0x78, 0, 0, 7, 8};
  const auto mapped = parse_port_mapping_reply(mapping);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->kind, Kind::natpmp_map);
  EXPECT_EQ(mapped->external.port, 0x5678);
  EXPECT_EQ(mapped->lifetime, 0x708u);
  const base::Bytes address{0, 128, 0, 0, 0, 0, 0, 100, 203, 0, 113, 9};
  const auto outside = parse_port_mapping_reply(address);
  ASSERT_TRUE(outside);
  EXPECT_EQ(outside->kind, Kind::natpmp_address);
  EXPECT_EQ(outside->external.address_text(), "203.0.113.9");
}

TEST(PortMappingFrames, AnOlderGatewayRefusesTheVersion) {
  const auto reply = parse_port_mapping_reply(base::Bytes{0, 128, 0, 1, 0, 0, 0, 100});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kind, Kind::natpmp_other);
  EXPECT_TRUE(is_version_refusal(*reply));
  EXPECT_EQ(result_text(*reply), "unsupported version");
}

TEST(PortMappingFrames, EveryResultHasAText) {
  for (std::uint16_t result = 0; result < 300; ++result) {
    for (const Kind kind : {Kind::pcp_map, Kind::natpmp_map}) {
      PortMappingReply reply;
      reply.kind = kind;
      reply.result = result;
      EXPECT_FALSE(result_text(reply).empty());
    }
  }
  EXPECT_EQ(result_text(*parse_port_mapping_reply(pcp_reply(8, kMapped))), "out of resources");
}

TEST(PortMappingFrames, RefusesWhatIsNoReply) {
  EXPECT_FALSE(parse_port_mapping_reply({}));
  EXPECT_FALSE(parse_port_mapping_reply(encode_pcp_map(client(), request())));
  EXPECT_FALSE(parse_port_mapping_reply(base::Bytes{1, 129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(parse_port_mapping_reply(base::Bytes(kMaxPortMappingReply + 1, 0x82)));
  base::Bytes tcp = pcp_reply(0, kMapped);
  tcp[36] = 6;
  EXPECT_FALSE(parse_port_mapping_reply(tcp));
  const base::Bytes whole = pcp_reply(0, kMapped);
  for (std::size_t size = 25; size < whole.size(); ++size) {
    const base::Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(parse_port_mapping_reply(cut)) << size;
  }
  test::expect_truncations_refused({0, 128, 0, 0, 0, 0, 0, 100, 203, 0, 113, 9}, parse_port_mapping_reply);
}

// RFC 6887 8.5.
TEST(PortMappingFrames, AnEpochThatDoesNotGrowWithTimeMeansLoss) {
  EXPECT_FALSE(epoch_says_lost(1'000, 1'060, 60));
  EXPECT_FALSE(epoch_says_lost(1'000, 999, 0)) << "a second back is rounding";
  EXPECT_TRUE(epoch_says_lost(1'000, 998, 0));
  EXPECT_TRUE(epoch_says_lost(1'000, 5, 60));
  EXPECT_TRUE(epoch_says_lost(1'000, 1'010, 60)) << "restarted, and up for as long again";
  EXPECT_FALSE(epoch_says_lost(1'000, 2'000, 960)) << "a clock may be off by a sixteenth";
  EXPECT_TRUE(epoch_says_lost(1'000, 2'000, 900));
}

TEST(GatewayUrl, NamesAnAddressPortAndTarget) {
  const auto url = GatewayUrl::parse("http://192.168.1.1:5000/root.xml");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->endpoint, *Endpoint::from_text("192.168.1.1", 5000));
  EXPECT_EQ(url->target, "/root.xml");
  EXPECT_EQ(GatewayUrl::parse("HTTP://10.0.0.1")->endpoint.port, 80);
  EXPECT_EQ(GatewayUrl::parse("http://10.0.0.1")->target, "/");
  EXPECT_EQ(GatewayUrl::parse("http://[fd00::1]:80/a")->endpoint, *Endpoint::from_text("fd00::1", 80));
  // Taken for what it is, so that a comparison with the gateway's address cannot be fooled.
  EXPECT_EQ(GatewayUrl::parse("http://[::ffff:10.0.0.1]:80/a")->endpoint,
            *Endpoint::from_text("10.0.0.1", 80));
}

TEST(GatewayUrl, RefusesWhatIsNotOne) {
  for (const char* const text :
       {"", "http://", "https://10.0.0.1/", "http://router.lan/x", "http://10.0.0.1:0/",
        "http://10.0.0.1:65536/", "http://10.0.0.1:80x/", "http://10.0.0.1:/", "http://user@10.0.0.1/",
        "http://[10.0.0.1]/", "http://[fd00::1/", "http://fd00::1/", "http://[fd00::1]x/",
        "http://10.0.0.1/a b", "http://10.0.0.1/a\r\nHost: x", "http://10.0.0.256/"}) {
    EXPECT_FALSE(GatewayUrl::parse(text)) << text;
  }
  EXPECT_FALSE(GatewayUrl::parse("http://10.0.0.1/" + std::string(300, 'a')));
}

TEST(Ssdp, FindsTheDescriptionOfAGateway) {
  const auto url = parse_ssdp_reply(
      "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n"
      "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nlocation: "
      "http://192.168.1.1:5000/root.xml\r\n\r\n");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->target, "/root.xml");
}

TEST(Ssdp, LeavesOthersAlone) {
  const std::string st = "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n";
  EXPECT_FALSE(parse_ssdp_reply(""));
  EXPECT_FALSE(parse_ssdp_reply("NOTIFY * HTTP/1.1\r\n" + st + "LOCATION: http://10.0.0.1/\r\n\r\n"));
  EXPECT_FALSE(parse_ssdp_reply("HTTP/1.1 200 OK\r\n" + st + "\r\n"));
  EXPECT_FALSE(
      parse_ssdp_reply("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://10.0.0.1/\r\n\r\n"));
  EXPECT_FALSE(parse_ssdp_reply("HTTP/1.1 200 OK\r\n" + st + "LOCATION: http://example.org/\r\n\r\n"));
  EXPECT_FALSE(parse_ssdp_reply("HTTP/1.1 200 OK\r\n" + st + "\r\nLOCATION: http://10.0.0.1/\r\n"))
      << "past the end of the header";
}

}  // namespace
}  // namespace p2pd::proto
