#include "proto/pairing_frames.hpp"

#include <gtest/gtest.h>

#include "proto/error.hpp"
#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

base::PeerId id(std::uint8_t fill) {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key.fill(fill);
  return base::PeerId(key);
}

Knock knock() {
  Knock out{{1, 2, 3, 4, 5, 6, 7, 8}, {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}, {}};
  out.mac.fill(0xee);
  return out;
}

base::Bytes body(const PairingFrame& frame) {
  const base::Bytes bytes = encode(frame);
  return {bytes.begin() + 2, bytes.end()};
}

const PairingFrame kFrames[] = {PairingAsk{{"ws://a", "wss://b"}}, PairingAsk{}, PairingPaired{{"ws://a"}},
                                PairingPaired{}, PairingRefused{PairingRefusal::no_room}};

TEST(Knock, HasTheDocumentedBytes) {
  EXPECT_EQ(base::to_hex(encode(knock())),
            "01"
            "0102030405060708"
            "a0a1a2a3a4a5a6a7"
            "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
  EXPECT_EQ(base::to_hex(knock_text(knock(), id(1), id(2), id(3))),
            "70327064206b6e6f636b207631"
            "00"
            "0102030405060708" +
                base::to_hex(id(1).bytes()) + base::to_hex(id(2).bytes()) + base::to_hex(id(3).bytes()) +
                "a0a1a2a3a4a5a6a7");
}

TEST(Knock, IsRefusedCutExtendedOrOfAnotherVersion) {
  const base::Bytes good = encode(knock());
  EXPECT_EQ(parse_knock(good).value(), knock());
  test::expect_truncations_refused(good, parse_knock);
  test::expect_extension_refused(good, parse_knock);
  base::Bytes other = good;
  other[0] = 2;
  EXPECT_EQ(parse_knock(other).error().code, FrameError::version);
}

TEST(PairingFrames, HaveTheDocumentedBytes) {
  EXPECT_EQ(base::to_hex(encode(PairingFrame(PairingAsk{{"ws://a"}}))),
            "000b01010100067773"
            "3a2f2f61");
  EXPECT_EQ(base::to_hex(encode(PairingFrame(PairingPaired{}))), "00020200");
  EXPECT_EQ(base::to_hex(encode(PairingFrame(PairingRefused{PairingRefusal::revoked}))), "00020302");
}

TEST(PairingFrames, SurviveTheRoundTrip) {
  for (const PairingFrame& frame : kFrames) EXPECT_EQ(parse_pairing_frame(body(frame)).value(), frame);
  const PairingFrame largest = PairingAsk{std::vector<std::string>(kMaxPairingRelays, std::string(512, 'u'))};
  EXPECT_EQ(parse_pairing_frame(body(largest)).value(), largest);
  EXPECT_EQ(body(largest).size(), kMaxPairingFrame);
}

TEST(PairingFrames, AreRefusedCutOrExtended) {
  for (const PairingFrame& frame : kFrames) {
    test::expect_truncations_refused(body(frame), parse_pairing_frame);
    test::expect_extension_refused(body(frame), parse_pairing_frame);
  }
}

TEST(PairingFrames, SurviveBitFlipsAndNoise) {
  const auto again = [](const PairingFrame& frame) { return body(frame); };
  for (const PairingFrame& frame : kFrames)
    test::expect_survives_bit_flips(body(frame), parse_pairing_frame, again);
  test::expect_survives_noise(parse_pairing_frame, again, 3);
}

TEST(PairingFrames, OutOfRangeAreRefused) {
  const auto error_of = [](const base::Bytes& frame) { return parse_pairing_frame(frame).error().code; };
  EXPECT_EQ(error_of({1, 2, 0}), FrameError::version);
  EXPECT_EQ(error_of({2, 4}), FrameError::too_large);
  EXPECT_EQ(error_of({2, 1, 0, 1, ' '}), FrameError::bad_value);
  EXPECT_EQ(error_of({3, 0}), FrameError::bad_value);
  EXPECT_EQ(error_of({3, 5}), FrameError::bad_value);
  EXPECT_EQ(error_of({4}), FrameError::unknown_type);
}

TEST(PairingDeframer, ReadsPieceByPieceAndStaysBroken) {
  const base::Bytes bytes = encode(kFrames[0]);
  PairingDeframer deframer;
  for (const std::uint8_t byte : base::ByteView(bytes).first(bytes.size() - 1)) {
    deframer.feed({&byte, 1});
    EXPECT_FALSE(deframer.next().value());
  }
  deframer.feed(base::ByteView(bytes).last(1));
  EXPECT_EQ(deframer.next().value(), kFrames[0]);
  deframer.feed(base::Bytes{0, 1, 9});
  EXPECT_FALSE(deframer.next());
  deframer.feed(bytes);
  EXPECT_FALSE(deframer.next());
}

}  // namespace
}  // namespace p2pd::proto
