// The address book's rows inside a transaction, for the files of this folder that change them together with
// something else. Store thread.
#pragma once

#include <optional>
#include <string>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "store/types.hpp"
#include "store/writer.hpp"

namespace p2pd::store {

// Nothing when there is no such peer.
[[nodiscard]] base::Result<std::optional<PeerRow>> find_peer(Session& session, const base::PeerId& peer);
// Errors: name_taken (another peer has it), invalid (empty).
[[nodiscard]] base::Result<void> check_peer_name(Session& session, const base::PeerId& peer,
                                                 const std::string& name);
// Adds, or replaces all but `added`. Errors: name_taken, invalid.
[[nodiscard]] base::Result<void> write_peer(Session& session, const PeerRow& row);

}  // namespace p2pd::store
