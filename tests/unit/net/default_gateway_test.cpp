#include "net/default_gateway.hpp"

#include <bit>

#include <gtest/gtest.h>

namespace p2pd::net {
namespace {

constexpr const char* kHeader =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

TEST(DefaultGateway, IsTheDefaultRouteWithTheLowestMetric) {
  if constexpr (std::endian::native != std::endian::little) GTEST_SKIP() << "the sample is little-endian";
  const std::string table = std::string(kHeader) +
                            "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                            "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
                            "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
  const auto gateway = gateway_of_route_table(table);
  ASSERT_TRUE(gateway);
  EXPECT_EQ(gateway->address_text(), "192.168.1.1");
}

TEST(DefaultGateway, IsNoneWithoutARouterOnTheWay) {
  EXPECT_FALSE(gateway_of_route_table(""));
  EXPECT_FALSE(gateway_of_route_table(kHeader));
  // A default route into a tunnel, one that is down, and one to a part of the world.
  EXPECT_FALSE(gateway_of_route_table("tun0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n"));
  EXPECT_FALSE(gateway_of_route_table("eth0 00000000 0101A8C0 0002 0 0 0 00000000 0 0 0\n"));
  EXPECT_FALSE(gateway_of_route_table("eth0 00000000 0101A8C0 0003 0 0 0 000000FF 0 0 0\n"));
  EXPECT_FALSE(gateway_of_route_table("eth0 00000000 xyz 0003 0 0 0 00000000 0 0 0\n\n\tshort line"));
}

TEST(DefaultGateway, KnowsTheAddressThatPacketsComeFrom) {
  const auto source = source_address(*proto::Endpoint::from_text("127.0.0.1", 0));
  ASSERT_TRUE(source);
  EXPECT_EQ(source->text(), "127.0.0.1:0");
}

}  // namespace
}  // namespace p2pd::net
