// Message IDs: 16 bytes on the wire, 32 hex digits in the store and the API. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proto/message_frames.hpp"

namespace p2pd::peer {

// Nothing unless `text` is 32 lower-case hex digits.
[[nodiscard]] std::optional<proto::MessageId> message_id(std::string_view text);
[[nodiscard]] std::string message_id_text(const proto::MessageId& id);

}  // namespace p2pd::peer
