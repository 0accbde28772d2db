// The answer of message.list as JSON text: up to a thousand messages a page, of which a tree of values would
// cost more than all else that is done for them. Pure functions; control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/peer_id.hpp"
#include "store/types.hpp"

namespace p2pd::daemon {

// {"messages":[...],"next":N}. A body that is not UTF-8, or is not said to be text, goes as base64.
// `name_of`: what a peer is called here, empty when it is not known any more.
[[nodiscard]] std::string inbox_text(std::span<const store::InboxRow> rows, std::uint64_t next,
                                     const std::function<std::string(const base::PeerId&)>& name_of);

}  // namespace p2pd::daemon
