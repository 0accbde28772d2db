#include "net/stun.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "proto/error.hpp"

namespace p2pd::net {
namespace {

using base::Bytes;
using proto::Endpoint;
using proto::FrameError;

Bytes from_hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// RFC 5769 2.2 and 2.3, sample responses.
const char* const kRfcIpv4 =
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
const char* const kRfcIpv6 =
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
// RFC 5769 2.1, a request with ICE's attributes.
const char* const kRfcRequest =
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff"
    "80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249"
    "c1b571a280280004e57a3bcf";

StunMessage full_message() {
  StunMessage out;
  out.kind = StunClass::success;
  out.transaction = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  out.mapped = Endpoint::from_text("192.0.2.1", 32853);
  out.response_origin = Endpoint::from_text("2001:db8::1", 3478);
  out.other_address = Endpoint::from_text("198.51.100.2", 3479);
  out.fingerprint = true;
  return out;
}

TEST(Stun, ReadsTheSampleResponsesOfRfc5769) {
  const auto v4 = parse_stun(from_hex(kRfcIpv4));
  ASSERT_TRUE(v4) << v4.error().message();
  EXPECT_EQ(v4->kind, StunClass::success);
  EXPECT_EQ(v4->method, kStunBinding);
  EXPECT_EQ(v4->mapped->text(), "192.0.2.1:32853");
  EXPECT_TRUE(v4->fingerprint);
  const auto v6 = parse_stun(from_hex(kRfcIpv6));
  ASSERT_TRUE(v6) << v6.error().message();
  EXPECT_EQ(v6->mapped->text(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

TEST(Stun, ReportsRequiredAttributesItDoesNotKnow) {
  const auto request = parse_stun(from_hex(kRfcRequest));
  ASSERT_TRUE(request) << request.error().message();
  EXPECT_EQ(request->kind, StunClass::request);
  EXPECT_EQ(request->unknown, std::vector<std::uint16_t>{0x0024});  // PRIORITY
}

TEST(Stun, ReadsBackWhatItWrites) {
  EXPECT_EQ(*parse_stun(encode(full_message())), full_message());
  StunMessage request;
  request.change_address = true;
  EXPECT_EQ(*parse_stun(encode(request)), request);
  request.change_port = true;
  request.kind = StunClass::indication;
  EXPECT_EQ(*parse_stun(encode(request)), request);
  StunMessage elsewhere;
  elsewhere.response_port = 40'000;
  EXPECT_EQ(*parse_stun(encode(elsewhere)), elsewhere);
  StunMessage error;
  error.kind = StunClass::error;
  error.error_code = kStunUnknownAttribute;
  EXPECT_EQ(*parse_stun(encode(error)), error);
}

TEST(Stun, PrefersTheXoredAddress) {
  Bytes plain = encode([] {
    StunMessage out;
    out.kind = StunClass::success;
    out.response_origin = Endpoint::from_text("192.0.2.9", 9);
    return out;
  }());
  plain[20] = 0x00;  // RESPONSE-ORIGIN becomes MAPPED-ADDRESS, of the same layout
  plain[21] = 0x01;
  EXPECT_EQ(parse_stun(plain)->mapped->text(), "192.0.2.9:9");
  StunMessage message = full_message();
  message.response_origin = Endpoint::from_text("192.0.2.9", 9);
  message.fingerprint = false;
  Bytes both = encode(message);
  const std::size_t origin_at = 20 + 12;
  both[origin_at] = 0x00;
  both[origin_at + 1] = 0x01;
  EXPECT_EQ(parse_stun(both)->mapped->text(), "192.0.2.1:32853");
}

TEST(Stun, RefusesEveryPrefixOfAMessage) {
  const Bytes whole = encode(full_message());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_stun(base::ByteView(whole).first(size))) << size;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(parse_stun(longer));
}

TEST(Stun, RefusesADamagedFingerprint) {
  Bytes damaged = encode(full_message());
  damaged[9] ^= 1;  // in the transaction ID
  EXPECT_EQ(parse_stun(damaged).error().code, make_error_code(FrameError::forged));
}

TEST(Stun, RefusesWhatIsNotStun) {
  Bytes message = encode(full_message());
  Bytes cookie = message;
  cookie[4] ^= 1;
  EXPECT_FALSE(parse_stun(cookie));
  Bytes quic = message;
  quic[0] |= 0xc0;
  EXPECT_FALSE(parse_stun(quic));
  EXPECT_FALSE(parse_stun(base::as_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
}

// As libnice sends it to find a server-reflexive candidate, and the answer that it understands.
TEST(Stun, ReadsAndAnswersRfc3489WhereThatIsWanted) {
  const Bytes request = from_hex("00010000b83a3788a2b93e7df542807684d30be7");
  EXPECT_FALSE(parse_stun(request));
  const auto asked = parse_stun(request, StunDialect::classic_too);
  ASSERT_TRUE(asked) << asked.error().message();
  EXPECT_EQ(asked->classic_id, 0xb83a3788U);
  StunMessage answer;
  answer.kind = StunClass::success;
  answer.classic_id = asked->classic_id;
  answer.transaction = asked->transaction;
  answer.mapped = Endpoint::from_text("192.0.2.1", 32853);
  EXPECT_EQ(encode(answer), from_hex("0101000cb83a3788a2b93e7df542807684d30be70001000800018055c0000201"));
  const auto modern = parse_stun(from_hex(kRfcRequest), StunDialect::classic_too);
  ASSERT_TRUE(modern) << modern.error().message();
  EXPECT_FALSE(modern->classic_id);
}

TEST(Stun, RefusesBadAddressFamiliesAndErrorCodes) {
  StunMessage message;
  message.kind = StunClass::success;
  message.mapped = Endpoint::from_text("192.0.2.1", 1);
  Bytes family = encode(message);
  family[25] = 3;
  EXPECT_FALSE(parse_stun(family));
  message.mapped.reset();
  message.kind = StunClass::error;
  message.error_code = 420;
  Bytes code = encode(message);
  code[26] = 2;
  EXPECT_FALSE(parse_stun(code));
}

TEST(Stun, SurvivesRandomDamage) {
  const Bytes whole = encode(full_message());
  for (int i = 0; i < 20'000; ++i) {
    Bytes damaged = whole;
    for (int j = 0; j < 3; ++j) {
      damaged[base::random_u64() % damaged.size()] = static_cast<std::uint8_t>(base::random_u64());
    }
    (void)parse_stun(damaged);
  }
}

}  // namespace
}  // namespace p2pd::net
