// Who is connected, and who is told of whom. One session a key: a newer one replaces the older. Presence is
// told only where both sides registered interest in each other; to everyone else online, offline and unknown
// look the same. Pure: no I/O, no clock. Owned by the server, on its thread; clients are told after the
// registry has changed, and must not call it from there.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::relay {

// An authenticated connection, as the registry sees it.
class RegisteredClient {
 public:
  // One `received` frame, complete.
  virtual void deliver(base::Bytes frame) = 0;
  virtual void on_presence(const base::PeerId& peer, proto::RelayPresenceState state) = 0;
  virtual void on_superseded() = 0;

 protected:
  ~RegisteredClient() = default;
};

class Registry {
 public:
  explicit Registry(std::size_t max_interest) : max_interest_(max_interest) {}

  // An older session of the key is told that it is superseded, and its interest is forgotten.
  void add(const base::PeerId& id, RegisteredClient& client);
  // Without effect when a newer session has taken the place.
  void remove(const base::PeerId& id, const RegisteredClient& client);
  [[nodiscard]] RegisteredClient* find(const base::PeerId& id) const;

  // False: more than max_interest peers; nothing was changed. `client` as in remove().
  [[nodiscard]] bool set_interest(const base::PeerId& id, const RegisteredClient& client,
                                  proto::RelayInterestOp op, std::span<const base::PeerId> peers);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    RegisteredClient* client = nullptr;
    std::vector<base::PeerId> interest;  // sorted
  };
  struct Notice {
    RegisteredClient* to;
    base::PeerId peer;
    proto::RelayPresenceState state;
  };

  [[nodiscard]] Entry* entry_of(const base::PeerId& id, const RegisteredClient& client);
  // Tells those who saw `id` that they do no longer.
  void collect_gone(const base::PeerId& id, std::span<const base::PeerId> seen_by,
                    std::vector<Notice>& notices);
  static void tell(const std::vector<Notice>& notices);

  std::size_t max_interest_;
  std::unordered_map<base::PeerId, Entry> entries_;
};

}  // namespace p2pd::relay
