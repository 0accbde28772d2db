#include "proto/ticket.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "proto/error.hpp"

namespace p2pd::proto {
namespace {

using namespace std::chrono_literals;

Ticket ticket() {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key.fill(0x11);
  return {.inviter = base::PeerId(key),
          .id = {0, 1, 2, 3, 4, 5, 6, 7},
          .secret = {16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
          .expires = base::WallTime(1'700'000'000s),
          .relays = {"wss://relay.example"}};
}

base::Bytes payload_of(const std::string& text) {
  base::Bytes out;
  EXPECT_TRUE(base::from_base32(text.substr(kTicketPrefix.size()), out));
  return out;
}

boost::system::error_code ticket_error(std::string_view text) { return parse_ticket(text).error().code; }

TEST(Ticket, HasTheDocumentedBytes) {
  const std::string text = encode(ticket());
  EXPECT_TRUE(text.starts_with("p2pd1"));
  const std::string hex = base::to_hex(payload_of(text));
  EXPECT_EQ(hex.substr(0, hex.size() - 8),
            "6553f100"
            "1111111111111111111111111111111111111111111111111111111111111111"
            "0001020304050607"
            "101112131415161718191a1b1c1d1e1f"
            "01"
            "13"
            "7773733a2f2f72656c61792e6578616d706c65");
  // CRC-32 of "p2pd1" and what stands before it, computed by another program.
  EXPECT_EQ(hex.substr(hex.size() - 8), "16e41e8e");
}

TEST(Ticket, SurvivesTheRoundTrip) {
  Ticket largest = ticket();
  largest.relays.assign(kMaxTicketRelays, std::string(kMaxTicketUrl, 'u'));
  largest.expires = base::WallTime(std::chrono::seconds(~std::uint32_t{0}));
  for (const Ticket& one : {ticket(), largest}) EXPECT_EQ(parse_ticket(encode(one)).value(), one);
  EXPECT_LE(encode(largest).size(), kMaxTicketText);
}

TEST(Ticket, CutsAFractionOfASecond) {
  Ticket fraction = ticket();
  fraction.expires += 999ms;
  EXPECT_EQ(parse_ticket(encode(fraction)).value(), ticket());
}

TEST(Ticket, WithAnyOneCharacterChangedIsRefused) {
  const std::string good = encode(ticket());
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char other : {'a', 'z', '2', '7', 'A', ' ', '1', '\0'}) {
      if (good[at] == other) continue;
      std::string bad = good;
      bad[at] = other;
      EXPECT_FALSE(parse_ticket(bad)) << "character " << at << " changed to " << other;
    }
  }
}

TEST(Ticket, CutSwappedOrExtendedIsRefused) {
  const std::string good = encode(ticket());
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(parse_ticket(good.substr(0, size)));
  for (std::size_t at = 5; at + 1 < good.size(); ++at) {
    std::string swapped = good;
    std::swap(swapped[at], swapped[at + 1]);
    EXPECT_EQ(parse_ticket(swapped).has_value(), swapped == good);
  }
  EXPECT_FALSE(parse_ticket(good + "a"));
  EXPECT_FALSE(parse_ticket(good + good));
  EXPECT_FALSE(parse_ticket(" " + good));
}

TEST(Ticket, SaysWhatIsWrong) {
  EXPECT_EQ(ticket_error(""), FrameError::bad_value);
  EXPECT_EQ(ticket_error("hello"), FrameError::bad_value);
  EXPECT_EQ(ticket_error("p2pd2aaaa"), FrameError::version);
  EXPECT_EQ(ticket_error("p2pd1"), FrameError::truncated);
  EXPECT_EQ(ticket_error("p2pd1AAAA"), FrameError::bad_value);
  EXPECT_EQ(ticket_error(std::string(kMaxTicketText + 1, 'a')), FrameError::too_large);
}

TEST(Ticket, WithARelayOfBlanksOrControlCharactersIsRefused) {
  EXPECT_FALSE(is_ticket_url(""));
  EXPECT_FALSE(is_ticket_url("ws://a b"));
  EXPECT_FALSE(is_ticket_url("ws://\x1b[2J"));
  EXPECT_FALSE(is_ticket_url(std::string(kMaxTicketUrl + 1, 'a')));
  EXPECT_TRUE(is_ticket_url("wss://relay.example:8443/path"));
}

}  // namespace
}  // namespace p2pd::proto
