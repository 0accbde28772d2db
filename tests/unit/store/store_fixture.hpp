// What the tests of the store share: a folder of their own, a way to wait for one completion, and rows to
// store.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "store/store.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace p2pd::store {

class Folder : public fakes::TempFolder {
 public:
  [[nodiscard]] std::string file(const std::string& name = "p2pd.db") const {
    return (*this / name).string();
  }
};

// Makes the call and blocks until its completion has run on the store thread.
//   const auto peers = wait<std::vector<PeerRow>>([&](auto done) { store.load_peers({}, done); });
template <class T, class Start>
base::Result<T> wait(Start start) {
  auto promise = std::make_shared<std::promise<base::Result<T>>>();
  auto future = promise->get_future();
  start(Done<T>([promise](base::Result<T> result) { promise->set_value(std::move(result)); }));
  return future.get();
}

inline base::PeerId peer_id(int number) {
  std::array<std::uint8_t, base::PeerId::kSize> key{};
  key.fill(0x11);
  key[0] = static_cast<std::uint8_t>(number >> 8);
  key[1] = static_cast<std::uint8_t>(number);
  return base::PeerId(key);
}

inline std::string message_id(std::uint64_t number) { return fmt::format("{:032x}", number); }
inline base::WallTime at(std::int64_t milliseconds) {
  return base::WallTime(std::chrono::milliseconds(milliseconds));
}

inline PeerRow peer_row(int number) {
  PeerRow row;
  row.id = peer_id(number);
  row.name = fmt::format("peer{}", number);
  row.relays = {"wss://one.example/p2pd/v1", "ws://two.example:8080/p2pd/v1"};
  row.added = at(1'700'000'000'123);
  return row;
}

inline OutboxRow outbox_row(std::uint64_t number, std::size_t size = 5) {
  return {0,
          message_id(number),
          at(1000 + static_cast<std::int64_t>(number)),
          "text/plain",
          "",
          base::Bytes(size, static_cast<std::uint8_t>(number))};
}

inline InboundMessage inbound(std::uint64_t sequence, std::size_t size = 5) {
  return {sequence,
          message_id(sequence),
          at(static_cast<std::int64_t>(sequence)),
          "text/plain",
          "",
          base::Bytes(size, static_cast<std::uint8_t>(sequence))};
}

inline bool is(const base::Error& error, StoreError code) { return error.code == make_error_code(code); }

// One message by the call that takes many.
inline void append_one(Store& store, const base::PeerId& peer, const OutboxRow& row, Post post,
                       Done<OutboxRef> done) {
  using Stored = base::Result<std::vector<base::Result<OutboxRef>>>;
  store.append_outbox(peer, {row}, std::move(post), [done = std::move(done)](const Stored& stored) {
    done(stored ? stored->at(0) : stored.error());
  });
}

// Opens in a folder of the test's own and repeats calls synchronously.
class StoreTest : public testing::Test {
 protected:
  void open(Options options = {}) {
    auto opened = Store::open(folder_.file(), std::move(options));
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
  }
  void reopen(Options options = {}) {
    store_.reset();
    open(std::move(options));
  }

  base::Result<void> add_peer(int number) { return upsert(peer_row(number)); }
  base::Result<void> upsert(const PeerRow& row) {
    return wait<void>([&](auto done) { store_->upsert_peer(row, {}, done); });
  }
  base::Result<void> remove(int number) {
    return wait<void>([&](auto done) { store_->remove_peer(peer_id(number), {}, done); });
  }
  base::Result<void> change(int number, const PeerChange& change) {
    return wait<void>([&](auto done) { store_->set_peer(peer_id(number), change, {}, done); });
  }
  std::vector<PeerRow> peers() {
    return wait<std::vector<PeerRow>>([&](auto done) { store_->load_peers({}, done); }).value();
  }
  base::Result<OutboxRef> append(int peer, const OutboxRow& row) {
    return wait<OutboxRef>([&](auto done) { append_one(*store_, peer_id(peer), row, {}, done); });
  }
  base::Result<std::vector<base::Result<OutboxRef>>> append(int peer, const std::vector<OutboxRow>& rows) {
    return wait<std::vector<base::Result<OutboxRef>>>(
        [&](auto done) { store_->append_outbox(peer_id(peer), rows, {}, done); });
  }
  std::vector<OutboxRow> outbox(int peer, std::uint64_t after = 0, std::size_t limit = 1000,
                                std::size_t max_bytes = 1 << 30) {
    return wait<std::vector<OutboxRow>>(
               [&](auto done) { store_->load_outbox(peer_id(peer), after, limit, max_bytes, {}, done); })
        .value();
  }
  std::vector<OutboxRef> delivered(int peer, std::uint64_t up_to) {
    return wait<std::vector<OutboxRef>>(
               [&](auto done) { store_->outbox_delivered(peer_id(peer), up_to, {}, done); })
        .value();
  }
  base::Result<OutboxEntry> cancel(std::uint64_t id) {
    return wait<OutboxEntry>([&](auto done) { store_->cancel_outbox(message_id(id), {}, done); });
  }
  std::vector<OutboxEntry> listed(std::optional<base::PeerId> peer = {}, std::size_t limit = 1000) {
    return wait<std::vector<OutboxEntry>>([&](auto done) { store_->list_outbox(peer, limit, {}, done); })
        .value();
  }
  std::vector<OutboxCount> counts() {
    return wait<std::vector<OutboxCount>>([&](auto done) { store_->outbox_counts({}, done); }).value();
  }
  base::Result<InboxCommit> commit(int peer, std::uint64_t epoch,
                                   const std::vector<InboundMessage>& messages) {
    return wait<InboxCommit>(
        [&](auto done) { store_->commit_inbox(peer_id(peer), epoch, messages, {}, done); });
  }
  std::uint64_t mark(int peer, std::uint64_t epoch) {
    return wait<std::uint64_t>([&](auto done) { store_->inbox_high_water(peer_id(peer), epoch, {}, done); })
        .value();
  }
  std::vector<InboxRow> inbox(std::optional<base::PeerId> peer = {}, std::uint64_t after = 0,
                              std::size_t limit = 100'000, std::size_t max_bytes = 1 << 30) {
    return wait<std::vector<InboxRow>>(
               [&](auto done) { store_->list_inbox(peer, after, limit, max_bytes, {}, done); })
        .value();
  }
  base::Result<std::uint64_t> acknowledge(std::optional<base::PeerId> peer, std::uint64_t up_to) {
    return wait<std::uint64_t>([&](auto done) { store_->ack_inbox(peer, up_to, {}, done); });
  }
  std::vector<AttemptRow> history(int peer, std::size_t limit = 1000) {
    return wait<std::vector<AttemptRow>>(
               [&](auto done) { store_->list_history(peer_id(peer), limit, {}, done); })
        .value();
  }

  Folder folder_;
  std::unique_ptr<Store> store_;
};

}  // namespace p2pd::store
