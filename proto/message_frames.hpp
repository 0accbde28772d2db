// Frames on a message stream (after its kind byte): u32 length of what follows, u8 type, body. The opener
// sends `message`, the other side answers with `acknowledged` (once at the start with its high-water mark,
// then after each commit) and `full`. Pure values; a deframer belongs to its stream's reader.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proto/deframer.hpp"

namespace p2pd::proto {

inline constexpr std::size_t kMaxMessageData = 1'024 * 1'024;
// Type, sequence, ID, time, content type, reply flag and ID; then the data.
inline constexpr std::size_t kMaxMessageFrame = 1 + 8 + 16 + 8 + 256 + 17 + kMaxMessageData;
// 9999-12-31T23:59:59.999Z, the last time RFC 3339 can write.
inline constexpr std::int64_t kMaxMessageTime = 253'402'300'799'999;

using MessageId = std::array<std::uint8_t, 16>;

struct MessageData {           // 1, sender to receiver
  std::uint64_t sequence = 0;  // from 1, growing, gaps allowed
  MessageId id{};
  std::int64_t created_ms = 0;  // since 1970, 0 to kMaxMessageTime
  std::string content_type;     // 0 to 255 printable ASCII characters
  std::optional<MessageId> reply_to;
  base::Bytes data;  // at most kMaxMessageData
  bool operator==(const MessageData&) const = default;
};
struct MessageAcknowledged {   // 2, receiver to sender
  std::uint64_t sequence = 0;  // everything up to here is safely stored; 0: nothing yet
  bool operator==(const MessageAcknowledged&) const = default;
};
struct MessageFull {           // 3, receiver to sender
  std::uint64_t sequence = 0;  // stored up to here, and no room for more now: pause, then send again
  bool operator==(const MessageFull&) const = default;
};
using MessageFrame = std::variant<MessageData, MessageAcknowledged, MessageFull>;

// Whole frames, length included. Fields outside their ranges are the caller's bug and assert.
[[nodiscard]] base::Bytes encode(const MessageFrame& frame);
// `frame` is type and body, without the length.
[[nodiscard]] base::Result<MessageFrame> parse_message_frame(base::ByteView frame);
// May stand in MessageData::content_type.
[[nodiscard]] bool is_content_type(std::string_view text);

using MessageDeframer =
    FrameReader<MessageFrame, &parse_message_frame, Deframer::LengthField::u32, kMaxMessageFrame>;

}  // namespace p2pd::proto
