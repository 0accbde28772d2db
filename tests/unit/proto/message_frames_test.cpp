#include "proto/message_frames.hpp"

#include <gtest/gtest.h>

#include "proto/error.hpp"
#include "proto/stream_kind.hpp"
#include "tests/unit/proto/malformed.hpp"

namespace p2pd::proto {
namespace {

constexpr MessageId kId{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

MessageData message() {
  return {.sequence = 258,
          .id = kId,
          .created_ms = 1'700'000'000'123,
          .content_type = "text/plain",
          .reply_to = MessageId{0xff},
          .data = {'h', 'i', 0}};
}

base::Bytes body(const MessageFrame& frame) {
  const base::Bytes bytes = encode(frame);
  return {bytes.begin() + 4, bytes.end()};
}

boost::system::error_code message_error(const base::Bytes& frame) {
  return parse_message_frame(frame).error().code;
}

TEST(MessageFrames, HaveTheDocumentedBytes) {
  EXPECT_EQ(base::to_hex(encode(MessageAcknowledged{7})),
            "00000009"
            "02"
            "0000000000000007");
  EXPECT_EQ(base::to_hex(encode(MessageFull{8})),
            "00000009"
            "03"
            "0000000000000008");
  MessageData plain = message();
  plain.reply_to.reset();
  EXPECT_EQ(base::to_hex(encode(plain)),
            "00000030"
            "01"
            "0000000000000102"
            "000102030405060708090a0b0c0d0e0f"
            "0000018bcfe5687b"
            "0a746578742f706c61696e"
            "00"
            "686900");
}

TEST(MessageFrames, SurviveTheRoundTrip) {
  MessageData empty;
  empty.sequence = ~std::uint64_t{0};
  MessageData largest = message();
  largest.content_type = std::string(255, 't');
  largest.created_ms = kMaxMessageTime;
  largest.data.assign(kMaxMessageData, 0xab);
  for (const MessageFrame& frame : {MessageFrame(message()), MessageFrame(empty), MessageFrame(largest),
                                    MessageFrame(MessageAcknowledged{0}), MessageFrame(MessageFull{3})}) {
    EXPECT_EQ(parse_message_frame(body(frame)).value(), frame);
  }
  EXPECT_EQ(body(largest).size(), kMaxMessageFrame);
}

TEST(MessageFrames, AreRefusedCutOrExtended) {
  for (const MessageFrame& frame : {MessageFrame(MessageAcknowledged{1}), MessageFrame(MessageFull{1})}) {
    test::expect_truncations_refused(body(frame), parse_message_frame);
    test::expect_extension_refused(body(frame), parse_message_frame);
  }
  MessageData no_data = message();
  no_data.data.clear();
  test::expect_truncations_refused(body(no_data), parse_message_frame);
}

TEST(MessageFrames, SurviveBitFlipsAndNoise) {
  for (const MessageFrame& frame :
       {MessageFrame(message()), MessageFrame(MessageAcknowledged{1}), MessageFrame(MessageFull{1})}) {
    test::expect_survives_bit_flips(body(frame), parse_message_frame, body);
  }
  test::expect_survives_noise(parse_message_frame, body, 4);
}

TEST(MessageFrames, WithAFieldOutOfRangeAreRefused) {
  const auto made = [](std::uint64_t sequence, std::uint64_t created, std::string_view type,
                       std::uint8_t reply) {
    return message_error(base::ByteWriter()
                             .u8(1)
                             .u64(sequence)
                             .bytes(kId)
                             .u64(created)
                             .text8(type)
                             .u8(reply)
                             .bytes(kId)
                             .take());
  };
  EXPECT_EQ(made(0, 1, "t", 1), FrameError::bad_value);
  EXPECT_EQ(made(1, static_cast<std::uint64_t>(kMaxMessageTime) + 1, "t", 1), FrameError::bad_value);
  EXPECT_EQ(made(1, ~std::uint64_t{0}, "t", 1), FrameError::bad_value) << "before 1970";
  EXPECT_EQ(made(1, 1, "a\nb", 1), FrameError::bad_value);
  EXPECT_EQ(made(1, 1, "t", 2), FrameError::bad_value);
  EXPECT_EQ(message_error({0}), FrameError::unknown_type);
  EXPECT_EQ(message_error({4, 1}), FrameError::unknown_type);
}

TEST(MessageFrames, OverAMebibyteOfDataAreRefused) {
  base::ByteWriter out;
  out.u8(1).u64(1).bytes(kId).u64(1).text8("").u8(0).bytes(base::Bytes(kMaxMessageData + 1));
  EXPECT_EQ(message_error(out.take()), FrameError::too_large);
}

TEST(MessageFrames, ContentTypesArePrintable) {
  EXPECT_TRUE(is_content_type(""));
  EXPECT_TRUE(is_content_type("text/plain; charset=utf-8"));
  EXPECT_FALSE(is_content_type("text/\x7f"));
  EXPECT_FALSE(is_content_type("text/\xc3\xa4"));
  EXPECT_FALSE(is_content_type(std::string(256, 'x')));
}

TEST(MessageDeframer, FindsEveryFrameInPiecesOfAnySize) {
  const std::vector<MessageFrame> frames{message(), MessageAcknowledged{4}, MessageFull{5}, message()};
  base::Bytes stream;
  for (const MessageFrame& frame : frames) {
    const base::Bytes bytes = encode(frame);
    stream.insert(stream.end(), bytes.begin(), bytes.end());
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, stream.size()}) {
    MessageDeframer deframer;
    std::vector<MessageFrame> found;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      deframer.feed(base::ByteView(stream).subspan(at, std::min(piece, stream.size() - at)));
      while (true) {
        const auto frame = deframer.next().value();
        if (!frame) break;
        found.push_back(*frame);
      }
    }
    EXPECT_EQ(found, frames) << piece;
  }
}

TEST(MessageDeframer, RefusesTooLongAFrameBeforeItsBytesCome) {
  MessageDeframer deframer;
  deframer.feed(base::ByteWriter().u32(kMaxMessageFrame + 1).take());
  EXPECT_EQ(deframer.next().error().code, FrameError::too_large);
  MessageDeframer longest;
  longest.feed(base::ByteWriter().u32(kMaxMessageFrame).take());
  EXPECT_FALSE(longest.next().value());
}

TEST(MessageDeframer, StaysBrokenAfterAnError) {
  MessageDeframer deframer;
  deframer.feed(base::Bytes{0, 0, 0, 1, 77});
  EXPECT_EQ(deframer.next().error().code, FrameError::unknown_type);
  deframer.feed(encode(MessageAcknowledged{1}));
  EXPECT_EQ(deframer.next().error().code, FrameError::unknown_type);
}

TEST(Deframer, HoldsNoMoreThanIsOutstanding) {
  Deframer deframer(Deframer::LengthField::u16, 10);
  for (int round = 0; round < 1'000; ++round) {
    deframer.feed(base::Bytes{0, 2, 1, 2, 0});
    EXPECT_EQ(deframer.next().value()->size(), 2U);
    EXPECT_FALSE(deframer.next().value());
    EXPECT_EQ(deframer.buffered(), 1U);
    deframer.feed(base::Bytes{1, 9});
    EXPECT_EQ(deframer.next().value()->size(), 1U);
    EXPECT_EQ(deframer.buffered(), 0U);
  }
}

TEST(StreamKind, KnowsMessagesFilesAndServicesAndNothingElse) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(stream_kind(static_cast<std::uint8_t>(byte)).has_value(), byte >= 1 && byte <= 3);
  }
}

}  // namespace
}  // namespace p2pd::proto
