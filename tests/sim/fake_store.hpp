// The store of one node: what is on disk survives a kill, what was asked for and not yet done may or may not.
// It holds the simulation's first law: whatever a sender made is in the receiver's inbox once, in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "peer/ports.hpp"
#include "tests/sim/world.hpp"

namespace p2pd::sim {

struct Disk {
  std::uint64_t epoch = 0;
  std::uint64_t next_sequence = 1;
  std::deque<peer::OutboxMessage> outbox;
  std::map<std::uint64_t, std::uint64_t> marks;  // by the sender's epoch
  std::vector<std::string> inbox;                // message IDs
};

class FakeStore final : public peer::MessageStore {
 public:
  FakeStore(World& world, Disk& disk) : world_(world), disk_(disk) {}

  void load_outbox(const base::PeerId& peer, std::uint64_t after, std::size_t limit, std::size_t max_bytes,
                   std::function<void(base::Result<std::vector<peer::OutboxMessage>>)> done) override;
  void outbox_delivered(const base::PeerId& peer, std::uint64_t sequence) override;
  void commit_inbox(const base::PeerId& peer, std::uint64_t epoch, std::vector<peer::InboxMessage> messages,
                    std::function<void(base::Result<peer::InboundCommit>)> done) override;
  void inbox_high_water(const base::PeerId& peer, std::uint64_t epoch,
                        std::function<void(base::Result<std::uint64_t>)> done) override;

  // The process dies: some of what waits was done, in order, and nobody is told.
  void crash();

  // Chances of one commit: part of the batch is refused for want of room; the disk fails.
  double full = 0;
  double broken = 0;

 private:
  // `work` touches the disk and returns what tells the caller.
  void enqueue(std::function<std::function<void()>()> work);
  void run_next();

  World& world_;
  Disk& disk_;
  std::deque<std::function<std::function<void()>()>> queue_;
  bool running_ = false;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace p2pd::sim
