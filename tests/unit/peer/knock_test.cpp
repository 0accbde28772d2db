#include "peer/knock.hpp"

#include <gtest/gtest.h>

namespace p2pd::peer {
namespace {

base::PeerId id(std::uint8_t fill) {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key.fill(fill);
  return base::PeerId(key);
}

constexpr proto::InvitationId kInvitation{1, 2, 3, 4, 5, 6, 7, 8};
constexpr proto::InvitationSecret kSecret{9, 10, 11};
constexpr std::array<std::uint8_t, 8> kConnection{0xa0, 0xa1};

const KnockParties kParties{id(1), id(2), id(3)};

TEST(Knock, HasTheDocumentedMac) {
  // HMAC-SHA256 computed by another program.
  EXPECT_EQ(base::to_hex(make_knock(kInvitation, kSecret, kConnection, kParties).mac),
            "abe89f34ed5ecd53d08f4281f44a4351d42c303c35e2710b17164d5eaffcbdf0");
}

TEST(Knock, HoldsForItsSecretAndParties) {
  const proto::Knock knock = make_knock(kInvitation, kSecret, kConnection, kParties);
  EXPECT_TRUE(knock_holds(knock, kSecret, kParties));
  proto::InvitationSecret other = kSecret;
  other[15] ^= 1;
  EXPECT_FALSE(knock_holds(knock, other, kParties));
  EXPECT_FALSE(knock_holds(knock, kSecret, {id(9), id(2), id(3)}));
  EXPECT_FALSE(knock_holds(knock, kSecret, {id(1), id(9), id(3)}));
  EXPECT_FALSE(knock_holds(knock, kSecret, {id(1), id(2), id(9)}));
  EXPECT_FALSE(knock_holds(knock, kSecret, {id(2), id(1), id(3)}));
}

TEST(Knock, WithAnyBitChangedDoesNotHold) {
  const base::Bytes good = encode(make_knock(kInvitation, kSecret, kConnection, kParties));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    base::Bytes bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
    const auto parsed = proto::parse_knock(bad);
    EXPECT_FALSE(parsed && knock_holds(*parsed, kSecret, kParties)) << "bit " << bit;
  }
}

}  // namespace
}  // namespace p2pd::peer
