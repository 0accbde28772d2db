#include "tests/lab/nat_table.hpp"

#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace p2pd::lab {
namespace {

constexpr std::uint32_t kPublic = 0xc6336401;  // 198.51.100.1
constexpr Address kInside{0xc0a80102, 5'000};  // 192.168.1.2
constexpr Address kServer{0xcb007101, 3'478};  // 203.0.113.1
constexpr Address kServerOtherPort{0xcb007101, 3'479};
constexpr Address kOther{0xcb007102, 3'478};

std::uint32_t sum16(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += std::uint32_t{bytes[i]} << 8 | bytes[i + 1];
  return sum;
}

std::uint16_t folded(std::uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// A UDP or TCP packet with right checksums.
struct Bytes {
  std::vector<std::uint8_t> data;

  Bytes(const Address& from, const Address& to, std::uint8_t protocol = IPPROTO_UDP) {
    const std::size_t header = protocol == IPPROTO_UDP ? 8 : 20;
    data.assign(20 + header + 4, 0);
    data[0] = 0x45;
    data[3] = static_cast<std::uint8_t>(data.size());
    data[8] = 64;
    data[9] = protocol;
    put(12, from.ip >> 16), put(14, from.ip), put(16, to.ip >> 16), put(18, to.ip);
    put(20, from.port), put(22, to.port);
    data[data.size() - 1] = 0x5a;
    if (protocol == IPPROTO_UDP) put(24, static_cast<std::uint32_t>(data.size() - 20));
    put(10, static_cast<std::uint16_t>(~folded(sum16(std::span(data).first(20)))));
    put(protocol == IPPROTO_UDP ? 26 : 36, static_cast<std::uint16_t>(~transport_sum()));
  }
  void put(std::size_t at, std::uint32_t value) {
    data[at] = static_cast<std::uint8_t>(value >> 8);
    data[at + 1] = static_cast<std::uint8_t>(value);
  }
  // RFC 768: over the pseudo-header and all that follows the IP header; 0xffff when the checksum is right.
  [[nodiscard]] std::uint16_t transport_sum() const {
    const std::span<const std::uint8_t> bytes(data);
    return folded(sum16(bytes.subspan(12, 8)) + data[9] + static_cast<std::uint32_t>(data.size() - 20) +
                  sum16(bytes.subspan(20)));
  }
  [[nodiscard]] bool intact() const {
    return folded(sum16(std::span(data).first(20))) == 0xffff && transport_sum() == 0xffff;
  }
  Packet packet() { return Packet::parse(data).value(); }
};

NatConfig config(Dependence mapping, Dependence filtering, PortChoice ports = PortChoice::random) {
  return {kPublic, 0xc0a80100, 0xffffff00, mapping, filtering, ports, false};
}

// The outside address that a packet gets.
std::optional<Address> send(NatTable& nat, const Address& from, const Address& to) {
  Bytes bytes(from, to);
  Packet packet = bytes.packet();
  if (!nat.translate(packet)) return std::nullopt;
  EXPECT_TRUE(bytes.intact());
  return packet.source();
}

// Whether a packet from outside gets to the socket inside.
bool arrives(NatTable& nat, const Address& from, const Address& to) {
  Bytes bytes(from, to);
  Packet packet = bytes.packet();
  if (!nat.translate(packet)) return false;
  EXPECT_TRUE(bytes.intact());
  EXPECT_EQ(packet.destination(), kInside);
  return true;
}

TEST(LabNat, MapsAsItsDependenceSays) {
  NatTable endpoint(config(Dependence::endpoint, Dependence::port), 1);
  const auto first = send(endpoint, kInside, kServer);
  EXPECT_EQ(first->ip, kPublic);
  EXPECT_EQ(send(endpoint, kInside, kOther), first);
  NatTable address(config(Dependence::address, Dependence::port), 1);
  const auto to_server = send(address, kInside, kServer);
  EXPECT_EQ(send(address, kInside, kServerOtherPort), to_server);
  EXPECT_NE(send(address, kInside, kOther), to_server);
  NatTable port(config(Dependence::port, Dependence::port), 1);
  EXPECT_NE(send(port, kInside, kServer), send(port, kInside, kServerOtherPort));
}

TEST(LabNat, FiltersAsItsDependenceSays) {
  NatTable open(config(Dependence::endpoint, Dependence::endpoint), 1);
  EXPECT_TRUE(arrives(open, kOther, *send(open, kInside, kServer)));
  NatTable address(config(Dependence::endpoint, Dependence::address), 1);
  const Address seen = *send(address, kInside, kServer);
  EXPECT_TRUE(arrives(address, kServerOtherPort, seen));
  EXPECT_FALSE(arrives(address, kOther, seen));
  NatTable port(config(Dependence::endpoint, Dependence::port), 1);
  const Address strict = *send(port, kInside, kServer);
  EXPECT_TRUE(arrives(port, kServer, strict));
  EXPECT_FALSE(arrives(port, kServerOtherPort, strict));
}

TEST(LabNat, ChoosesPortsAsToldAndNeverOneTwice) {
  NatTable keeps(config(Dependence::endpoint, Dependence::port, PortChoice::preserve), 1);
  EXPECT_EQ(send(keeps, kInside, kServer)->port, kInside.port);
  const Address neighbour{kInside.ip + 1, kInside.port};
  EXPECT_NE(send(keeps, neighbour, kServer)->port, kInside.port);
  NatTable counts(config(Dependence::port, Dependence::port, PortChoice::sequential), 1);
  const auto first = send(counts, kInside, kServer)->port;
  EXPECT_EQ(send(counts, kInside, kOther)->port, first + 1);
}

TEST(LabNat, HairpinsOnlyWhereToldTo) {
  const Address neighbour{kInside.ip + 1, 6'000};
  auto settings = config(Dependence::endpoint, Dependence::endpoint);
  NatTable without(settings, 1);
  EXPECT_FALSE(send(without, neighbour, *send(without, kInside, kServer)));
  settings.hairpin = true;
  NatTable with(settings, 1);
  const Address target = *send(with, kInside, kServer);
  Bytes bytes(neighbour, target);
  Packet packet = bytes.packet();
  ASSERT_TRUE(with.translate(packet));
  EXPECT_EQ(packet.source().ip, kPublic);  // RFC 4787 REQ-9a: the outside source
  EXPECT_EQ(packet.destination(), kInside);
  EXPECT_TRUE(bytes.intact());
}

TEST(LabNat, ForgetsEverything) {
  NatTable nat(config(Dependence::endpoint, Dependence::endpoint), 1);
  const Address seen = *send(nat, kInside, kServer);
  nat.forget();
  EXPECT_FALSE(arrives(nat, kServer, seen));
}

TEST(LabNat, KeepsTcpAndUdpApart) {
  NatTable nat(config(Dependence::endpoint, Dependence::endpoint), 1);
  const Address seen = *send(nat, kInside, kServer);
  Bytes tcp(kServer, seen, IPPROTO_TCP);
  Packet refused = tcp.packet();
  EXPECT_FALSE(nat.translate(refused));
  Bytes out(kInside, kServer, IPPROTO_TCP);
  Packet packet = out.packet();
  EXPECT_TRUE(nat.translate(packet));
  EXPECT_TRUE(out.intact());
}

TEST(LabPacket, LeavesAloneWhatItCannotTranslate) {
  Bytes bytes(kInside, kServer);
  for (std::size_t size = 0; size < 28; ++size)
    EXPECT_FALSE(Packet::parse(std::span(bytes.data).first(size))) << size;
  bytes.data[6] = 0x20;  // a fragment
  EXPECT_FALSE(Packet::parse(bytes.data));
  Bytes icmp(kInside, kServer);
  icmp.data[9] = IPPROTO_ICMP;
  EXPECT_FALSE(Packet::parse(icmp.data));
  Bytes six(kInside, kServer);
  six.data[0] = 0x60;
  EXPECT_FALSE(Packet::parse(six.data));
}

TEST(LabPacket, TakesHopsUntilNoneIsLeft) {
  Bytes bytes(kInside, kServer);
  Packet packet = bytes.packet();
  for (int hop = 0; hop < 63; ++hop) ASSERT_TRUE(packet.take_hop());
  EXPECT_TRUE(bytes.intact());
  EXPECT_FALSE(packet.take_hop());
}

}  // namespace
}  // namespace p2pd::lab
