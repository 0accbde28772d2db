#include "proto/control_messages.hpp"

#include <gtest/gtest.h>

#include "proto/error.hpp"
#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

Candidate v4_candidate() {
  return {.type = CandidateType::srflx,
          .foundation = "4",
          .priority = 1'694'498'815,
          .endpoint = *Endpoint::from_text("203.0.113.9", 40'000),
          .related = Endpoint::from_text("2001:db8::7", 9)};
}

Candidate v6_candidate() {
  return {.type = CandidateType::host,
          .foundation = "aB3+/",
          .priority = 2'113'937'151,
          .endpoint = *Endpoint::from_text("2001:db8::1", 65'535)};
}

NetReport net_report() {
  NetReport out;
  out.ipv4 = {.address = Finding::yes,
              .udp = Finding::yes,
              .outside = Endpoint::from_text("203.0.113.9", 40'000),
              .mapping = NatMapping::address_and_port_dependent,
              .filtering = NatFiltering::address_dependent,
              .allocation = PortAllocation::sequential,
              .allocation_step = -2,
              .hairpin = Finding::no,
              .path_mtu = 1492};
  out.ipv6.address = Finding::no;
  return out;
}

ControlNetReport full_report() {
  return {
      7, net_report(), {{true, "host", "192.0.2.1:7", "sent", ""}, {false, "srflx", "a", "refused", "b c"}}};
}

std::vector<ControlMessage> every_message() {
  return {
      ControlHello{.capabilities = 0x80000006, .instance = 1, .message_epoch = 2, .direct_allowed = false},
      ControlKeep{},
      ControlIceCredentials{7, "abcd", "0123456789abcdefghijk+"},
      ControlCandidate{1, v4_candidate()},
      ControlCandidate{2, v6_candidate()},
      ControlCandidatesDone{3},
      ControlRelayHints{{"wss://relay.example/p2pd/v1", "ws://[2001:db8::1]:8080"}},
      ControlRelayHints{},
      ControlPing{0x0102030405060708},
      ControlPong{9},
      ControlDirectPolicy{false},
      ControlNetQuestion{11},
      ControlNetReport{12, {}, {}},
      full_report()};
}

// Type and body, as parse_control_message takes them.
base::Bytes body(const ControlMessage& message) {
  const base::Bytes frame = encode(message);
  return {frame.begin() + 2, frame.end()};
}

base::Bytes body_of(const ControlMessage& message) { return body(message); }

boost::system::error_code error_of(const base::Bytes& frame) {
  return parse_control_message(frame).error().code;
}

TEST(ControlMessages, HaveTheDocumentedBytes) {
  EXPECT_EQ(base::to_hex(encode(ControlKeep{})), "000102");
  EXPECT_EQ(base::to_hex(encode(ControlPing{0x0102030405060708})), "0009070102030405060708");
  EXPECT_EQ(base::to_hex(encode(ControlHello{.capabilities = 2, .instance = 3, .message_epoch = 4})),
            "001801"
            "0001"
            "00000002"
            "0000000000000003"
            "0000000000000004"
            "01");
  EXPECT_EQ(base::to_hex(encode(ControlCandidate{1, v4_candidate()})),
            "002704"
            "00000001"
            "01"
            "0134"
            "64ffffff"
            "04"
            "cb007109"
            "9c40"
            "01"
            "06"
            "20010db8000000000000000000000007"
            "0009");
  EXPECT_EQ(base::to_hex(encode(ControlIceCredentials{1, "abcd", "0123456789012345678901"})),
            "002203"
            "00000001"
            "0461626364"
            "0016"
            "30313233343536373839303132333435363738393031");
  EXPECT_EQ(base::to_hex(encode(ControlRelayHints{{"ws://a"}})),
            "000a06"
            "01"
            "0006"
            "77733a2f2f61");
  EXPECT_EQ(base::to_hex(encode(ControlDirectPolicy{true})), "00020901");
  EXPECT_EQ(base::to_hex(encode(ControlNetQuestion{5})), "00090a0000000000000005");
  EXPECT_EQ(base::to_hex(encode(full_report())),
            "00550b"
            "0000000000000007"
            "01"
            "02"
            "02"
            "0104cb0071099c40"
            "04"
            "02"
            "02"
            "fffe"
            "01"
            "05d4"
            "01"
            "00"
            "00"
            "00"
            "00"
            "00"
            "0000"
            "00"
            "0000"
            "02"
            "01"
            "04686f7374"
            "0b3139322e302e322e313a37"
            "0473656e74"
            "00"
            "00"
            "057372666c78"
            "0161"
            "0772656675736564"
            "03622063");
}

TEST(ControlMessages, SurviveTheRoundTrip) {
  for (const ControlMessage& message : every_message()) {
    EXPECT_EQ(parse_control_message(body(message)).value(), message) << message.index();
  }
}

TEST(ControlMessages, AreRefusedCutOrExtended) {
  for (const ControlMessage& message : every_message()) {
    test::expect_truncations_refused(body(message), parse_control_message);
    test::expect_extension_refused(body(message), parse_control_message);
  }
}

TEST(ControlMessages, SurviveBitFlipsAndNoise) {
  for (const ControlMessage& message : every_message()) {
    test::expect_survives_bit_flips(body(message), parse_control_message, body_of);
  }
  test::expect_survives_noise(parse_control_message, body_of, 10);
}

TEST(ControlMessages, OfAnotherVersionAreNamedAsSuch) {
  EXPECT_EQ(error_of({1, 0, 2}), FrameError::version);
  EXPECT_EQ(error_of({1, 0}), FrameError::truncated);
}

TEST(ControlMessages, FlagsAreZeroOrOne) {
  EXPECT_EQ(error_of({9, 2}), FrameError::bad_value);
  base::Bytes hello = body(ControlHello{});
  hello.back() = 0xff;
  EXPECT_EQ(error_of(hello), FrameError::bad_value);
}

TEST(ControlMessages, CandidatesAreWellFormed) {
  const base::Bytes good = body(ControlCandidate{1, v6_candidate()});
  const auto with = [&](std::size_t at, std::uint8_t value) {
    base::Bytes frame = good;
    frame[at] = value;
    return error_of(frame);
  };
  EXPECT_EQ(with(5, 4), FrameError::bad_value) << "type";
  EXPECT_EQ(with(1 + 4 + 1 + 1 + 5 + 4, 5), FrameError::bad_value) << "family";
  EXPECT_EQ(with(good.size() - 1, 2), FrameError::bad_value) << "related flag";
  base::ByteWriter long_foundation;
  long_foundation.u8(4).u32(1).u8(0).text8(std::string(33, 'a')).u32(1).u8(4).u32(1).u16(1).u8(0);
  EXPECT_EQ(error_of(long_foundation.take()), FrameError::bad_value);
}

TEST(ControlMessages, CandidatesAreReadAsTheyAreForTheJudge) {
  // What the rules refuse is well-formed: it must reach the judge, be logged and not end the connection.
  Candidate candidate = v6_candidate();
  candidate.priority = 0;
  candidate.foundation = "";
  candidate.endpoint = *Endpoint::from_text("::ffff:127.0.0.1", 0);
  const ControlMessage message = ControlCandidate{1, candidate};
  EXPECT_EQ(parse_control_message(body(message)).value(), message);
}

TEST(ControlMessages, IceCredentialsKeepToTheirGrammar) {
  const auto parse = [](std::string_view ufrag, std::string_view password) {
    return parse_control_message(base::ByteWriter().u8(3).u32(1).text8(ufrag).text16(password).take());
  };
  const std::string password(22, 'p');
  EXPECT_TRUE(parse("abcd", password));
  EXPECT_TRUE(parse(std::string(255, 'u'), std::string(256, 'p')));
  EXPECT_EQ(parse("abc", password).error().code, FrameError::bad_value);
  EXPECT_EQ(parse("abcd", password.substr(1)).error().code, FrameError::bad_value);
  EXPECT_EQ(parse("abcd", std::string(257, 'p')).error().code, FrameError::bad_value);
  EXPECT_EQ(parse("ab d", password).error().code, FrameError::bad_value);
  EXPECT_EQ(parse("abcd", password + "\n").error().code, FrameError::bad_value);
}

TEST(ControlMessages, RelayHintsAreFewShortAndPrintable) {
  const auto parse = [](std::size_t count, std::string_view url) {
    base::ByteWriter out;
    out.u8(6).u8(static_cast<std::uint8_t>(count));
    for (std::size_t i = 0; i < count; ++i) out.text16(url);
    return parse_control_message(out.view());
  };
  EXPECT_TRUE(parse(kMaxRelayHints, std::string(kMaxRelayHintSize, 'x')));
  EXPECT_EQ(parse(kMaxRelayHints + 1, "ws://a").error().code, FrameError::too_large);
  EXPECT_EQ(parse(1, std::string(kMaxRelayHintSize + 1, 'x')).error().code, FrameError::bad_value);
  EXPECT_EQ(parse(1, "").error().code, FrameError::bad_value);
  EXPECT_EQ(parse(1, "ws://a\x1b[2J").error().code, FrameError::bad_value);
  EXPECT_EQ(parse(1, "ws://a b").error().code, FrameError::bad_value);
  EXPECT_EQ(parse(1, "ws://\xc3\xa4").error().code, FrameError::bad_value);
}

TEST(ControlMessages, NetworkReportsKeepToTheirWordsAndLimits) {
  const base::Bytes good = body(ControlNetReport{1, {}, {}});
  // Of the first family after type, ID and the direct flag: address, udp, outside, mapping, filtering,
  // allocation, step, hairpin.
  const auto with = [&](std::size_t at, std::uint8_t value) {
    base::Bytes frame = good;
    frame[at] = value;
    return error_of(frame);
  };
  EXPECT_EQ(with(9, 2), FrameError::bad_value) << "direct";
  EXPECT_EQ(with(10, 3), FrameError::bad_value) << "address";
  EXPECT_EQ(with(11, 3), FrameError::bad_value) << "udp";
  EXPECT_EQ(with(12, 2), FrameError::bad_value) << "outside";
  EXPECT_EQ(with(13, 5), FrameError::bad_value) << "mapping";
  EXPECT_EQ(with(14, 4), FrameError::bad_value) << "filtering";
  EXPECT_EQ(with(15, 4), FrameError::bad_value) << "allocation";
  EXPECT_EQ(with(18, 3), FrameError::bad_value) << "hairpin";
  const auto parse = [&](std::size_t count, std::string_view text) {
    base::Bytes frame = good;
    frame.back() = static_cast<std::uint8_t>(count);
    base::ByteWriter rest;
    for (std::size_t i = 0; i < count; ++i) rest.u8(1).text8(text).text8(text).text8(text).text8(text);
    frame.insert(frame.end(), rest.view().begin(), rest.view().end());
    return parse_control_message(frame);
  };
  EXPECT_TRUE(parse(kMaxReportedCandidates, std::string(kMaxReportedText, 'x')));
  EXPECT_EQ(parse(kMaxReportedCandidates + 1, "x").error().code, FrameError::too_large);
  EXPECT_EQ(parse(1, std::string(kMaxReportedText + 1, 'x')).error().code, FrameError::bad_value);
  EXPECT_EQ(parse(1, "a\x1b[2J").error().code, FrameError::bad_value);
}

TEST(ControlDeframer, FindsEveryMessageInPiecesOfAnySize) {
  base::Bytes stream;
  for (const ControlMessage& message : every_message()) {
    const base::Bytes frame = encode(message);
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, stream.size()}) {
    ControlDeframer deframer;
    std::vector<ControlMessage> found;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      deframer.feed(base::ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      while (true) {
        const auto message = deframer.next().value();
        if (!message) break;
        found.push_back(*message);
      }
    }
    EXPECT_EQ(found, every_message()) << piece;
  }
}

TEST(ControlDeframer, SkipsUnknownTypes) {
  ControlDeframer deframer;
  deframer.feed(base::Bytes{0, 3, 200, 1, 2, 0, 1, 0, 0, 1, 2});
  EXPECT_EQ(deframer.next().value(), ControlMessage(ControlKeep{}));
  EXPECT_FALSE(deframer.next().value());
}

TEST(ControlDeframer, RefusesTooLongAFrameBeforeItsBytesCome) {
  ControlDeframer deframer;
  deframer.feed(base::Bytes{0x20, 0x01});
  EXPECT_EQ(deframer.next().error().code, FrameError::too_large);
}

TEST(ControlDeframer, StaysBrokenAfterAnError) {
  ControlDeframer bad_message;
  bad_message.feed(base::Bytes{0, 2, 9, 7, 0, 1, 2});
  EXPECT_EQ(bad_message.next().error().code, FrameError::bad_value);
  bad_message.feed(encode(ControlKeep{}));
  EXPECT_EQ(bad_message.next().error().code, FrameError::bad_value);

  ControlDeframer bad_length;
  bad_length.feed(base::Bytes{0, 0, 0, 1, 2});
  EXPECT_EQ(bad_length.next().error().code, FrameError::bad_value);
  bad_length.feed(encode(ControlKeep{}));
  EXPECT_EQ(bad_length.next().error().code, FrameError::bad_value);
}

TEST(ControlDeframer, TakesTheLargestFrame) {
  base::Bytes frame{0x20, 0x00};
  frame.resize(2 + kMaxControlFrame, 0xff);
  ControlDeframer deframer;
  deframer.feed(frame);
  EXPECT_FALSE(deframer.next().value()) << "unknown, skipped";
  deframer.feed(encode(ControlKeep{}));
  EXPECT_TRUE(deframer.next().value());
}

}  // namespace
}  // namespace p2pd::proto
