#include "base/peer_id.hpp"

#include <string>
#include <unordered_set>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace p2pd::base {
namespace {

TEST(PeerId, ReadsWhatItWrites) {
  for (int round = 0; round < 200; ++round) {
    const PeerId id(random_array<32>());
    const std::string text = id.text();
    EXPECT_EQ(text.size(), PeerId::kTextSize);
    EXPECT_EQ(PeerId::parse(text).value(), id);
    EXPECT_EQ(PeerId::from_bytes(id.bytes()).value(), id);
  }
}

TEST(PeerId, HasOneSpellingOnly) {
  // 52 characters carry 260 bits, 4 more than the key: of 16 last characters with the same key one is right.
  const std::string text = PeerId().text();
  EXPECT_EQ(text, std::string(52, 'a'));
  int accepted = 0;
  for (const char last : std::string("abcdefghijklmnopqrstuvwxyz234567")) {
    std::string other = text;
    other.back() = last;
    const auto parsed = PeerId::parse(other);
    if (parsed) {
      ++accepted;
      EXPECT_EQ(parsed->text(), other);
    } else {
      EXPECT_NE(parsed.error().message().find("canonical"), std::string::npos);
    }
  }
  EXPECT_EQ(accepted, 2) << "'a' and 'q': the key's last bit";
}

TEST(PeerId, RefusesOtherTextsEachWithAReason) {
  const std::string good = PeerId(random_array<32>()).text();
  const auto reason = [](const std::string& text) {
    const auto parsed = PeerId::parse(text);
    return parsed ? std::string("accepted") : parsed.error().message();
  };
  EXPECT_NE(reason("").find("52 characters"), std::string::npos);
  EXPECT_NE(reason(good + "a").find("this has 53"), std::string::npos);
  EXPECT_NE(reason(good.substr(1)).find("this has 51"), std::string::npos);
  for (const char wrong : {'A', '0', '1', '8', '9', ' ', '=', '-', '\n', '\0'}) {
    std::string text = good;
    text[20] = wrong;
    EXPECT_NE(reason(text).find("a-z and 2-7"), std::string::npos) << static_cast<int>(wrong);
  }
}

TEST(PeerId, RefusesOtherSizesOfBytes) {
  EXPECT_FALSE(PeerId::from_bytes(Bytes(31)));
  EXPECT_FALSE(PeerId::from_bytes(Bytes(33)));
  EXPECT_FALSE(PeerId::from_bytes({}));
}

TEST(PeerId, IsOrderedBytewise) {
  std::array<std::uint8_t, 32> low{};
  std::array<std::uint8_t, 32> high{};
  low[31] = 0xff;
  high[0] = 0x80;
  EXPECT_LT(PeerId(low), PeerId(high));
  EXPECT_TRUE(PeerId().empty());
  EXPECT_FALSE(PeerId(low).empty());
  EXPECT_EQ(PeerId(high).brief(), PeerId(high).text().substr(0, 10));
}

TEST(PeerId, HashesByValue) {
  const PeerId id(random_array<32>());
  std::unordered_set<PeerId> ids{id, id, PeerId()};
  EXPECT_EQ(ids.size(), 2U);
}

}  // namespace
}  // namespace p2pd::base
