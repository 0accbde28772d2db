// The store as a peer sees it: calls go to the store's thread, completions come back on the plane's.
// Deliveries and arrivals are told to the control thread besides, for counts and events. The plane's thread.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>

#include "peer/ports.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

// Told on the store's thread; the implementation posts.
struct MessageNews {
  std::function<void(const base::PeerId&, const std::vector<store::OutboxRef>&)> delivered;
  std::function<void(const base::PeerId&, const store::InboxCommit&)> received;
};

class MessageBridge final : public peer::MessageStore {
 public:
  MessageBridge(store::Store& store, boost::asio::io_context& io, MessageNews news);

  void load_outbox(const base::PeerId& peer, std::uint64_t after, std::size_t limit, std::size_t max_bytes,
                   std::function<void(base::Result<std::vector<peer::OutboxMessage>>)> done) override;
  void outbox_delivered(const base::PeerId& peer, std::uint64_t sequence) override;
  void commit_inbox(const base::PeerId& peer, std::uint64_t epoch, std::vector<peer::InboxMessage> messages,
                    std::function<void(base::Result<peer::InboundCommit>)> done) override;
  void inbox_high_water(const base::PeerId& peer, std::uint64_t epoch,
                        std::function<void(base::Result<std::uint64_t>)> done) override;

 private:
  store::Store& store_;
  store::Post post_;
  MessageNews news_;
};

}  // namespace p2pd::daemon
