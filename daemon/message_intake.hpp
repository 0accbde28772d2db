// Messages that programs send, on their way into the outbox: what comes in one turn of the control thread is
// stored by one call a peer, so that a program which sends many pays for the thread, the database and the
// peer once for all of them. Each is answered once it is on disk. Control thread; owned by the Node, which
// outlives every completion of the store. How it ends: by destruction; what was not stored then is answered
// by its Responder's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "ipc/request.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class Node;

class MessageIntake {
 public:
  explicit MessageIntake(Node& node) : node_(node) {}

  // 32 hex digits: the milliseconds of `now`, then 80 random bits. Those made together lie together in the
  // database's index.
  [[nodiscard]] std::string new_id(base::WallTime now);
  // `direct`: false: the connection that this dials stays on the relay.
  void add(const base::PeerId& peer, store::OutboxRow message, bool direct, ipc::Responder responder);
  // Gives the store what waits, for a call that is to find it there.
  void flush();

 private:
  struct Batch {
    base::PeerId peer;
    bool direct = true;
    std::vector<store::OutboxRow> messages;
    std::vector<ipc::Responder> responders;
  };
  using Stored = base::Result<std::vector<base::Result<store::OutboxRef>>>;

  void put(Batch batch);
  void stored(const base::PeerId& peer, bool direct, std::vector<ipc::Responder>& responders,
              const Stored& result);

  Node& node_;
  std::vector<Batch> waiting_;
  base::Bytes random_;  // not used yet
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::daemon
