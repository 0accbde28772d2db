#include "proto/relay_frames.hpp"

#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/error.hpp"
#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> counted(std::uint8_t first) {
  std::array<std::uint8_t, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

base::PeerId peer(std::uint8_t first) { return base::PeerId(counted<32>(first)); }

base::Bytes encode_any(const ClientFrame& frame) {
  return std::visit([](const auto& one) { return encode(one); }, frame);
}
base::Bytes encode_any(const RelayFrame& frame) {
  return std::visit([](const auto& one) { return encode(one); }, frame);
}

constexpr std::array<std::uint8_t, 3> kPayload{0xc0, 0x01, 0x99};

RelayHello hello() {
  return {.client = peer(1),
          .nonce = counted<32>(2),
          .binding = RelayBinding::tls_exporter,
          .token = "s3cret",
          .signature = counted<64>(3)};
}

std::vector<base::Bytes> client_frames() {
  return {encode(hello()),
          encode(RelaySend{peer(4), kPayload}),
          encode(RelayInterest{RelayInterestOp::add, {peer(5), peer(6)}}),
          encode(RelayInterest{RelayInterestOp::replace, {}}),
          encode(RelayKnock{peer(7), kPayload}),
          encode(RelayPing{counted<8>(8)}),
          encode(RelayPong{counted<8>(9)})};
}

std::vector<base::Bytes> relay_frames() {
  return {encode(RelayChallenge{.relay = peer(1), .nonce = counted<32>(2)}),
          encode(RelayWelcome{.max_payload = 16'384,
                              .ping_interval_ms = 3'000,
                              .max_interest = 1'000,
                              .signature = counted<64>(3)}),
          encode(RelayReceived{peer(4), kPayload}),
          encode(RelayPresence{peer(5), RelayPresenceState::here}),
          encode(RelayKnocked{peer(6), kPayload}),
          encode(RelayPing{counted<8>(7)}),
          encode(RelayPong{counted<8>(8)}),
          encode(RelayLimits{100, 2'000'000}),
          encode(RelayGoodbye{RelayGoodbyeCode::draining, "maintenance"})};
}

template <class Frame>
Frame only(const base::Result<ClientFrame>& parsed) {
  return std::get<Frame>(parsed.value());
}

// Payloads behind an address may be cut or extended at will: they have no length of their own.
bool has_free_tail(const base::Bytes& frame) {
  return frame[0] == 0x10 || frame[0] == 0x11 || frame[0] == 0x14 || frame[0] == 0x15;
}

TEST(RelayFrames, HaveTheDocumentedBytes) {
  EXPECT_EQ(base::to_hex(encode(RelayPing{counted<8>(1)})), "160102030405060708");
  EXPECT_EQ(base::to_hex(encode(RelayLimits{1, 2})), "180000000100000002");
  EXPECT_EQ(base::to_hex(encode(RelayGoodbye{RelayGoodbyeCode::limit, "no"})), "1f0600026e6f");
  EXPECT_EQ(base::to_hex(encode(RelaySend{peer(0x20), kPayload})),
            "10" + base::to_hex(counted<32>(0x20)) + "c00199");
  EXPECT_EQ(encode(hello()).size(), 1U + 1 + 32 + 32 + 1 + 2 + 6 + 64);
  EXPECT_EQ(encode(RelayChallenge{}).size(), 1U + 1 + 32 + 32);
  EXPECT_EQ(encode(RelayWelcome{}).size(), 1U + 1 + 4 + 4 + 2 + 64);
}

TEST(RelayFrames, OfAClientSurviveTheRoundTrip) {
  EXPECT_EQ(only<RelayHello>(parse_client_frame(encode(hello()))), hello());
  const RelayInterest interest{RelayInterestOp::remove, {peer(1), peer(2)}};
  EXPECT_EQ(only<RelayInterest>(parse_client_frame(encode(interest))), interest);
  const base::Bytes bytes = encode(RelaySend{peer(3), kPayload});
  const auto send = only<RelaySend>(parse_client_frame(bytes));
  EXPECT_EQ(send.to, peer(3));
  EXPECT_TRUE(std::ranges::equal(send.payload, kPayload));
  for (const base::Bytes& frame : client_frames()) {
    EXPECT_EQ(encode_any(parse_client_frame(frame).value()), frame);
  }
}

TEST(RelayFrames, OfARelaySurviveTheRoundTrip) {
  const RelayWelcome welcome{.max_payload = 1'000, .ping_interval_ms = 7, .max_interest = 3};
  EXPECT_EQ(std::get<RelayWelcome>(parse_relay_frame(encode(welcome)).value()), welcome);
  for (const base::Bytes& frame : relay_frames()) {
    EXPECT_EQ(encode_any(parse_relay_frame(frame).value()), frame);
  }
}

TEST(RelayFrames, AreRefusedFromTheWrongSide) {
  for (const base::Bytes& frame : client_frames()) {
    const bool either_way = frame[0] == 0x16 || frame[0] == 0x17;
    EXPECT_EQ(parse_relay_frame(frame).has_value(), either_way);
  }
  EXPECT_EQ(parse_relay_frame(encode(RelaySend{peer(1), kPayload})).error().code, FrameError::unknown_type);
  EXPECT_EQ(parse_client_frame(encode(RelayReceived{peer(1), kPayload})).error().code,
            FrameError::unknown_type);
}

TEST(RelayFrames, AreRefusedAtEveryTruncation) {
  for (const base::Bytes& frame : client_frames()) {
    // An interest list cut between two IDs is a shorter list.
    if (has_free_tail(frame) || frame[0] == 0x12) continue;
    test::expect_truncations_refused(frame, parse_client_frame);
    test::expect_extension_refused(frame, parse_client_frame);
  }
  for (const base::Bytes& frame : relay_frames()) {
    if (has_free_tail(frame)) continue;
    test::expect_truncations_refused(frame, parse_relay_frame);
    test::expect_extension_refused(frame, parse_relay_frame);
  }
  for (std::size_t size = 0; size <= 33; ++size) {
    base::Bytes frame(size, 1);
    for (const int type : {0x10, 0x14}) {
      if (!frame.empty()) frame[0] = static_cast<std::uint8_t>(type);
      EXPECT_FALSE(parse_client_frame(frame)) << "an address and no payload";
    }
  }
  const base::Bytes interest = encode(RelayInterest{RelayInterestOp::add, {peer(1), peer(2)}});
  for (std::size_t size = 0; size < interest.size(); ++size) {
    const bool whole = size >= 2 && (size - 2) % 32 == 0;
    EXPECT_EQ(parse_client_frame(base::ByteView(interest).first(size)).has_value(), whole) << size;
  }
}

TEST(RelayFrames, SurviveBitFlipsAndNoise) {
  const auto encode_frame = [](const auto& frame) { return encode_any(frame); };
  for (const base::Bytes& frame : client_frames()) {
    test::expect_survives_bit_flips(frame, parse_client_frame, encode_frame);
  }
  for (const base::Bytes& frame : relay_frames()) {
    test::expect_survives_bit_flips(frame, parse_relay_frame, encode_frame);
  }
  test::expect_survives_noise(parse_client_frame, encode_frame, 0x1f);
  test::expect_survives_noise(parse_relay_frame, encode_frame, 0x1f);
}

TEST(RelayFrames, OfAnotherVersionAreNamedAsSuch) {
  base::Bytes frame = encode(hello());
  frame[1] = 2;
  EXPECT_EQ(parse_client_frame(frame).error().code, FrameError::version);
  // Its layout is unknown, so it is not called truncated either.
  EXPECT_EQ(parse_client_frame(base::Bytes{0x02, 0x02}).error().code, FrameError::version);
  EXPECT_EQ(parse_relay_frame(base::Bytes{0x01, 0x02}).error().code, FrameError::version);
  EXPECT_EQ(parse_relay_frame(base::Bytes{0x03, 0x00}).error().code, FrameError::version);
}

TEST(RelayFrames, OverALimitAreRefused) {
  const base::Bytes huge(kRelayMaxFrame + 1, 0x10);
  EXPECT_EQ(parse_client_frame(huge).error().code, FrameError::too_large);
  EXPECT_EQ(parse_relay_frame(huge).error().code, FrameError::too_large);
  base::Bytes knock = encode(RelayKnock{peer(1), base::Bytes(kRelayMaxKnock, 1)});
  EXPECT_TRUE(parse_client_frame(knock));
  knock.push_back(1);
  EXPECT_EQ(parse_client_frame(knock).error().code, FrameError::too_large);

  base::ByteWriter token;
  token.u8(0x02).u8(1).bytes(counted<32>(1)).bytes(counted<32>(1)).u8(0);
  token.text16(std::string(kRelayMaxToken + 1, 'x')).bytes(counted<64>(1));
  EXPECT_EQ(parse_client_frame(token.view()).error().code, FrameError::too_large);

  base::ByteWriter goodbye;
  goodbye.u8(0x1f).u8(1).text16(std::string(kRelayMaxGoodbyeText + 1, 'x'));
  EXPECT_EQ(parse_relay_frame(goodbye.view()).error().code, FrameError::too_large);
}

TEST(RelayFrames, WithAFieldOutOfRangeAreRefused) {
  const auto client_error = [](base::Bytes frame, std::size_t at, std::uint8_t value) {
    frame[at] = value;
    return parse_client_frame(frame).error().code;
  };
  const auto relay_error = [](base::Bytes frame, std::size_t at, std::uint8_t value) {
    frame[at] = value;
    return parse_relay_frame(frame).error().code;
  };
  EXPECT_EQ(client_error(encode(hello()), 66, 2), FrameError::bad_value);
  EXPECT_EQ(client_error(encode(RelayInterest{}), 1, 3), FrameError::bad_value);
  EXPECT_EQ(relay_error(encode(RelayPresence{}), 33, 3), FrameError::bad_value);
  EXPECT_EQ(relay_error(encode(RelayGoodbye{}), 1, 0), FrameError::bad_value);
  EXPECT_EQ(relay_error(encode(RelayGoodbye{}), 1, 8), FrameError::bad_value);
  EXPECT_EQ(parse_relay_frame(encode(RelayWelcome{.max_payload = 0})).error().code, FrameError::bad_value);
  EXPECT_EQ(parse_relay_frame(encode(RelayWelcome{.max_payload = 65'536})).error().code,
            FrameError::bad_value);
}

TEST(RelayFrames, CutALongGoodbyeInsteadOfFailing) {
  const auto frame =
      parse_relay_frame(encode(RelayGoodbye{RelayGoodbyeCode::limit, std::string(9'000, 'x')}));
  EXPECT_EQ(std::get<RelayGoodbye>(frame.value()).text.size(), kRelayMaxGoodbyeText);
}

TEST(RelayFrames, OfTheLargestSizesAreAccepted) {
  EXPECT_TRUE(parse_client_frame(encode(RelaySend{peer(1), base::Bytes(kRelayMaxFrame - 33, 1)})));
  const RelayInterest interest{RelayInterestOp::replace, std::vector(kRelayMaxInterest, peer(1))};
  const base::Bytes frame = encode(interest);
  EXPECT_LE(frame.size(), kRelayMaxFrame);
  EXPECT_EQ(only<RelayInterest>(parse_client_frame(frame)), interest);
}

TEST(RelayFrames, ARelayedFrameDiffersOnlyInTypeAndSender) {
  base::Bytes frame = encode(RelaySend{peer(1), kPayload});
  restamp_as_received(frame, peer(9));
  EXPECT_EQ(frame, encode(RelayReceived{peer(9), kPayload}));
}

TEST(RelaySignatures, CoverTheDocumentedBytes) {
  const RelayChallenge challenge{.relay = peer(0x11), .nonce = counted<32>(0x22)};
  const RelayHello client = hello();
  const base::Bytes covered = signed_bytes(client, challenge, "relay.example:443", counted<32>(0x77));
  EXPECT_EQ(base::to_hex(covered),
            base::to_hex(base::as_bytes("p2pd relay hello v1")) + "0001" + base::to_hex(challenge.nonce) +
                base::to_hex(peer(0x11).bytes()) + base::to_hex(client.client.bytes()) +
                base::to_hex(client.nonce) + "0011" + base::to_hex(base::as_bytes("relay.example:443")) +
                "01" + base::to_hex(counted<32>(0x77)) + "0006" + base::to_hex(base::as_bytes("s3cret")));
  const RelayWelcome welcome{.max_payload = 0x01020304, .ping_interval_ms = 5, .max_interest = 6};
  EXPECT_EQ(base::to_hex(signed_bytes(welcome, challenge, client)),
            base::to_hex(base::as_bytes("p2pd relay welcome v1")) + "00" + base::to_hex(challenge.nonce) +
                base::to_hex(client.nonce) + base::to_hex(peer(0x11).bytes()) +
                base::to_hex(client.client.bytes()) + "0101020304000000050006");
}

TEST(RelaySignatures, ChangeWithEveryThingTheyBind) {
  const RelayChallenge challenge{.relay = peer(1), .nonce = counted<32>(2)};
  const base::Bytes original = signed_bytes(hello(), challenge, "a:1", {});
  const auto differs = [&](const RelayHello& client, const RelayChallenge& from, std::string_view authority,
                           const RelayExporter& exporter) {
    return signed_bytes(client, from, authority, exporter) != original;
  };
  RelayHello other_token = hello();
  other_token.token = "s3cre";
  RelayHello other_nonce = hello();
  other_nonce.nonce[31] ^= 1;
  RelayHello unbound = hello();
  unbound.binding = RelayBinding::none;
  EXPECT_TRUE(differs(other_token, challenge, "a:1", {}));
  EXPECT_TRUE(differs(other_nonce, challenge, "a:1", {}));
  EXPECT_TRUE(differs(unbound, challenge, "a:1", {}));
  EXPECT_TRUE(differs(hello(), challenge, "a:2", {}));
  EXPECT_TRUE(differs(hello(), challenge, "a:1", counted<32>(9)));
  EXPECT_TRUE(differs(hello(), {.relay = peer(2), .nonce = counted<32>(2)}, "a:1", {}));
  EXPECT_TRUE(differs(hello(), {.relay = peer(1), .nonce = counted<32>(3)}, "a:1", {}));
}

}  // namespace
}  // namespace p2pd::proto
