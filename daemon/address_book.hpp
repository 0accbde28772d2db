// The peers this daemon knows, as the control thread sees them: found by name, ID or an unambiguous prefix of
// an ID. A copy of the store's rows, loaded at start and changed only after the store has committed. Control
// thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "daemon/errors.hpp"
#include "store/types.hpp"

namespace p2pd::daemon {

// What one daemon keeps; as store::Options::peers.
inline constexpr std::size_t kMaxPeers = 10'000;

struct KnownPeer {
  base::PeerId id;
  std::string name;
  std::vector<std::string> relays;  // URLs
  bool wanted = false;
  bool direct = true;
  bool accept_files = true;

  [[nodiscard]] bool operator==(const KnownPeer&) const = default;
};

// A row of the store and back; `added` is now.
[[nodiscard]] KnownPeer known_peer(store::PeerRow row);
[[nodiscard]] store::PeerRow stored_peer(const KnownPeer& peer);

class AddressBook {
 public:
  explicit AddressBook(base::PeerId self) : self_(self) {}

  // A name wins over an ID, a whole ID over a prefix. Errors: unknown_peer, ambiguous_peer, own_id,
  // invalid_id.
  [[nodiscard]] base::Result<const KnownPeer*> find(std::string_view query) const;
  [[nodiscard]] const KnownPeer* find(const base::PeerId& id) const;
  // Whether `name` may be given to `id` (which may hold it already). Errors: invalid_name, name_taken.
  [[nodiscard]] base::Result<void> check_name(std::string_view name, const base::PeerId& id) const;
  // `wanted`, or the first of wanted-2, wanted-3, ... that `id` may have; `wanted` is a good name.
  [[nodiscard]] std::string free_name(const std::string& wanted, const base::PeerId& id) const;
  // Errors: own_id.
  [[nodiscard]] base::Result<void> check_id(const base::PeerId& id) const;

  void put(KnownPeer peer);
  // No effect on a peer that is not there.
  void set_wanted(const base::PeerId& id, bool wanted);
  void erase(const base::PeerId& id) { peers_.erase(id); }
  [[nodiscard]] const std::map<base::PeerId, KnownPeer>& all() const { return peers_; }

 private:
  base::PeerId self_;
  std::map<base::PeerId, KnownPeer> peers_;
};

}  // namespace p2pd::daemon
