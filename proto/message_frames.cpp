#include "proto/message_frames.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "proto/parsing.hpp"

namespace p2pd::proto {
namespace {

enum class MessageType : std::uint8_t { message = 1, acknowledged = 2, full = 3 };

constexpr std::string_view kMessage = "message";

bool is_message_time(std::int64_t ms) { return ms >= 0 && ms <= kMaxMessageTime; }

base::Bytes encode_data(const MessageData& message) {
  P2PD_ASSERT(message.data.size() <= kMaxMessageData && message.sequence > 0 &&
              is_message_time(message.created_ms) && is_content_type(message.content_type));
  const std::size_t size = 1 + 8 + 16 + 8 + 1 + message.content_type.size() + 1 +
                           (message.reply_to ? 16 : 0) + message.data.size();
  base::ByteWriter out;
  out.u32(static_cast<std::uint32_t>(size))
      .u8(static_cast<std::uint8_t>(MessageType::message))
      .u64(message.sequence)
      .bytes(message.id)
      .u64(static_cast<std::uint64_t>(message.created_ms))
      .text8(message.content_type)
      .u8(message.reply_to ? 1 : 0);
  if (message.reply_to) out.bytes(*message.reply_to);
  return out.bytes(message.data).take();
}

base::Bytes encode_mark(MessageType type, std::uint64_t sequence) {
  return base::ByteWriter().u32(1 + 8).u8(static_cast<std::uint8_t>(type)).u64(sequence).take();
}

base::Result<MessageFrame> parse_data(base::ByteReader& reader) {
  MessageData message;
  message.sequence = reader.u64();
  message.id = reader.array<16>();
  message.created_ms = static_cast<std::int64_t>(reader.u64());
  message.content_type = reader.text8();
  const std::uint8_t has_reply = reader.u8();
  if (has_reply == 1) message.reply_to = reader.array<16>();
  const base::ByteView data = reader.rest();
  if (reader.failed()) return frame_error(FrameError::truncated, std::string(kMessage));
  if (has_reply > 1) return frame_error(FrameError::bad_value, "message: reply flag");
  if (message.sequence == 0) return frame_error(FrameError::bad_value, "message: sequence");
  if (!is_message_time(message.created_ms)) return frame_error(FrameError::bad_value, "message: time");
  if (!is_content_type(message.content_type)) {
    return frame_error(FrameError::bad_value, "message: content type");
  }
  if (data.size() > kMaxMessageData) return frame_error(FrameError::too_large, std::string(kMessage));
  message.data.assign(data.begin(), data.end());
  return MessageFrame(std::move(message));
}

}  // namespace

bool is_content_type(std::string_view text) {
  return text.size() <= 0xff &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

base::Bytes encode(const MessageFrame& frame) {
  if (const auto* message = std::get_if<MessageData>(&frame)) return encode_data(*message);
  if (const auto* mark = std::get_if<MessageAcknowledged>(&frame)) {
    return encode_mark(MessageType::acknowledged, mark->sequence);
  }
  return encode_mark(MessageType::full, std::get<MessageFull>(frame).sequence);
}

base::Result<MessageFrame> parse_message_frame(base::ByteView frame) {
  if (frame.size() > kMaxMessageFrame) return frame_error(FrameError::too_large, std::string(kMessage));
  if (frame.empty()) return frame_error(FrameError::truncated, std::string(kMessage));
  base::ByteReader reader(frame);
  switch (static_cast<MessageType>(reader.u8())) {
    case MessageType::message:
      return parse_data(reader);
    case MessageType::acknowledged:
      return exact<MessageFrame>(reader, "message acknowledgement", MessageAcknowledged{reader.u64()});
    case MessageType::full:
      return exact<MessageFrame>(reader, "message refusal", MessageFull{reader.u64()});
  }
  return frame_error(FrameError::unknown_type, "message frame");
}

}  // namespace p2pd::proto
