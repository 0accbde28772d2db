#include <atomic>
#include <latch>
#include <thread>

#include "tests/unit/store/faulty_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

// Keeps the store's thread busy until it is let go, so that a test decides what is in one batch.
class Hold {
 public:
  explicit Hold(Store& store) {
    std::promise<void> entered;
    store.outbox_counts({}, [&entered, release = release_.get_future().share()](auto) {
      entered.set_value();
      release.wait();
    });
    entered.get_future().wait();
  }
  ~Hold() { let_go(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  void let_go() {
    if (!std::exchange(gone_, true)) release_.set_value();
  }

 private:
  std::promise<void> release_;
  bool gone_ = false;
};

template <class T>
struct Pending {
  std::shared_ptr<std::promise<base::Result<T>>> promise = std::make_shared<std::promise<base::Result<T>>>();
  std::future<base::Result<T>> future = promise->get_future();

  [[nodiscard]] Done<T> done() const {
    return [promise = promise](base::Result<T> result) { promise->set_value(std::move(result)); };
  }
};

class StoreWriter : public StoreTest {
 protected:
  void SetUp() override { faulty_vfs(); }

  Options options() {
    Options options;
    options.vfs = faulty_vfs();
    options.flush_after = std::chrono::hours(1);
    return options;
  }
  void open_with_peer(const Options& options) {
    open(options);
    ASSERT_TRUE(add_peer(1));
  }
};

TEST_F(StoreWriter, WhatWaitsSharesOneCommitWhoeverAsked) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kEach = 250;
  open_with_peer(options());
  const std::uint64_t before = store_->statistics().commits;
  const int syncs = faults().syncs;
  std::latch completed(kThreads * kEach);
  std::atomic<int> stored = 0;
  {
    const Hold hold(*store_);
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < kEach; ++i) {
          append_one(*store_, peer_id(1), outbox_row(t * kEach + i), {}, [&](const auto& result) {
            if (result) ++stored;
            completed.count_down();
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  completed.wait();
  EXPECT_EQ(stored, kThreads * kEach);
  EXPECT_EQ(store_->statistics().commits - before, 1U);
  EXPECT_LE(faults().syncs - syncs, 2);
  const auto rows = outbox(1);
  ASSERT_EQ(rows.size(), kThreads * kEach);
  EXPECT_EQ(rows.back().sequence, kThreads * kEach);
}

TEST_F(StoreWriter, AFailingCallTakesNoOtherWithIt) {
  open_with_peer(options());
  ASSERT_TRUE(append(1, outbox_row(1)));
  Pending<OutboxRef> first, repeated, last;
  Pending<InboxCommit> bad_sequence, good_sequence;
  Pending<void> taken;
  {
    const Hold hold(*store_);
    PeerRow row = peer_row(2);
    row.name = "peer1";
    append_one(*store_, peer_id(1), outbox_row(2), {}, first.done());
    append_one(*store_, peer_id(1), outbox_row(1), {}, repeated.done());
    store_->upsert_peer(row, {}, taken.done());
    // Fails after its first row was inserted.
    store_->commit_inbox(peer_id(1), 1, {inbound(1), inbound(0)}, {}, bad_sequence.done());
    store_->commit_inbox(peer_id(1), 2, {inbound(1)}, {}, good_sequence.done());
    append_one(*store_, peer_id(1), outbox_row(3), {}, last.done());
  }
  EXPECT_EQ(first.future.get()->sequence, 2U);
  EXPECT_TRUE(is(repeated.future.get().error(), StoreError::already_exists));
  EXPECT_TRUE(is(taken.future.get().error(), StoreError::name_taken));
  EXPECT_TRUE(is(bad_sequence.future.get().error(), StoreError::invalid));
  EXPECT_TRUE(good_sequence.future.get());
  EXPECT_EQ(last.future.get()->sequence, 3U);
  EXPECT_EQ(outbox(1).size(), 3U);
  EXPECT_EQ(inbox().size(), 1U);
  EXPECT_EQ(mark(1, 1), 0U);
}

TEST_F(StoreWriter, AFailingCommitFailsEveryWriteOfItAndNoRead) {
  open_with_peer(options());
  ASSERT_TRUE(append(1, outbox_row(1)));
  Pending<OutboxRef> first, last;
  Pending<void> taken;
  Pending<std::vector<OutboxRow>> read;
  {
    Hold hold(*store_);
    append_one(*store_, peer_id(1), outbox_row(2), {}, first.done());
    store_->load_outbox(peer_id(1), 0, 10, 1000, {}, read.done());
    PeerRow row = peer_row(2);
    row.name = "peer1";
    store_->upsert_peer(row, {}, taken.done());
    append_one(*store_, peer_id(1), outbox_row(3), {}, last.done());
    faults().sync_error = SQLITE_IOERR_FSYNC;
  }
  EXPECT_TRUE(is(first.future.get().error(), StoreError::io));
  EXPECT_TRUE(is(last.future.get().error(), StoreError::io));
  EXPECT_TRUE(is(taken.future.get().error(), StoreError::name_taken));
  // Not what the lost transaction had written.
  EXPECT_EQ(read.future.get()->size(), 1U);
  faults().sync_error = SQLITE_OK;
  EXPECT_EQ(append(1, outbox_row(2))->sequence, 2U);
  reopen();
  EXPECT_EQ(outbox(1).size(), 2U);
}

TEST_F(StoreWriter, ACallThatLosesTheTransactionIsLeftOutAndTheOthersAreRepeated) {
  open_with_peer(options());
  // More than SQLite's cache holds: it is written to the disk before the COMMIT.
  std::vector<InboundMessage> large;
  for (std::uint64_t i = 1; i <= 8; ++i) large.push_back(inbound(i, 1 << 20));
  Pending<OutboxRef> before, after;
  Pending<InboxCommit> culprit;
  {
    const Hold hold(*store_);
    append_one(*store_, peer_id(1), outbox_row(1), {}, before.done());
    store_->commit_inbox(peer_id(1), 1, large, {}, culprit.done());
    append_one(*store_, peer_id(1), outbox_row(2), {}, after.done());
    faults().failures = 1;
    faults().write_error = SQLITE_FULL;
  }
  EXPECT_EQ(before.future.get()->sequence, 1U);
  EXPECT_TRUE(is(culprit.future.get().error(), StoreError::disk_full));
  EXPECT_EQ(after.future.get()->sequence, 2U);
  EXPECT_TRUE(inbox().empty());
  EXPECT_EQ(commit(1, 1, large)->stored, 8U);
}

TEST_F(StoreWriter, TheQueueIsBoundedByCalls) {
  Options bounded = options();
  bounded.queued_calls = 3;
  open_with_peer(bounded);
  Pending<OutboxRef> fits[3], refused;
  {
    const Hold hold(*store_);
    for (std::uint64_t i = 0; i < 3; ++i) append_one(*store_, peer_id(1), outbox_row(i), {}, fits[i].done());
    append_one(*store_, peer_id(1), outbox_row(9), {}, refused.done());
    EXPECT_TRUE(is(refused.future.get().error(), StoreError::overloaded));
  }
  for (auto& pending : fits) EXPECT_TRUE(pending.future.get());
  EXPECT_TRUE(append(1, outbox_row(9)));
}

TEST_F(StoreWriter, TheQueueIsBoundedByBytesButTakesAnythingWhenEmpty) {
  Options bounded = options();
  bounded.queued_bytes = 100'000;
  open_with_peer(bounded);
  EXPECT_TRUE(append(1, outbox_row(1, 200'000)));
  Pending<OutboxRef> fits, refused;
  {
    const Hold hold(*store_);
    append_one(*store_, peer_id(1), outbox_row(2, 90'000), {}, fits.done());
    append_one(*store_, peer_id(1), outbox_row(3, 90'000), {}, refused.done());
    EXPECT_TRUE(is(refused.future.get().error(), StoreError::overloaded));
  }
  EXPECT_TRUE(fits.future.get());
}

TEST_F(StoreWriter, RecordsWaitForTheNextWrite) {
  open_with_peer(options());
  const std::uint64_t commits = store_->statistics().commits;
  AttemptRow attempt;
  attempt.id = 1;
  attempt.peer = peer_id(1);
  store_->begin_attempt(attempt);
  store_->add_path(1, {});
  ASSERT_TRUE(append(1, outbox_row(1)));
  EXPECT_EQ(store_->statistics().commits, commits + 1);
  EXPECT_EQ(history(1)[0].paths.size(), 1U);
}

TEST_F(StoreWriter, RecordsAreFlushedAfterATime) {
  Options soon = options();
  soon.flush_after = std::chrono::milliseconds(1);
  open_with_peer(soon);
  std::promise<void> synced;
  {
    const std::lock_guard lock(faults().mutex);
    faults().on_sync = [&synced, once = std::make_shared<std::once_flag>()] {
      std::call_once(*once, [&] { synced.set_value(); });
    };
  }
  AttemptRow attempt;
  attempt.id = 1;
  attempt.peer = peer_id(1);
  store_->begin_attempt(attempt);
  synced.get_future().wait();
  EXPECT_EQ(history(1).size(), 1U);
  const std::lock_guard lock(faults().mutex);
  faults().on_sync = nullptr;
}

TEST_F(StoreWriter, ManyRecordsDoNotWaitForTheirTime) {
  open_with_peer(options());
  std::promise<void> synced;
  {
    const std::lock_guard lock(faults().mutex);
    faults().on_sync = [&synced, once = std::make_shared<std::once_flag>()] {
      std::call_once(*once, [&] { synced.set_value(); });
    };
  }
  AttemptRow attempt;
  attempt.id = 1;
  attempt.peer = peer_id(1);
  store_->begin_attempt(attempt);
  for (int i = 0; i < 1023; ++i) store_->add_path(1, {});
  synced.get_future().wait();
  const std::lock_guard lock(faults().mutex);
  faults().on_sync = nullptr;
}

TEST_F(StoreWriter, AnIdleStoreWritesNothingAndHasNoTimer) {
  open_with_peer(options());
  const Statistics before = store_->statistics();
  const int writes = faults().writes;
  const int syncs = faults().syncs;
  const auto touched = std::filesystem::last_write_time(folder_.file("p2pd.db-wal"));
  // Reads, and writes that find nothing to do.
  EXPECT_EQ(peers().size(), 1U);
  EXPECT_TRUE(delivered(1, 100).empty());
  EXPECT_EQ(acknowledge({}, 100).value(), 0U);
  EXPECT_EQ(commit(1, 1, {})->high_water, 0U);
  EXPECT_TRUE(is(cancel(1).error(), StoreError::not_found));
  EXPECT_EQ(faults().writes, writes);
  EXPECT_EQ(faults().syncs, syncs);
  EXPECT_EQ(std::filesystem::last_write_time(folder_.file("p2pd.db-wal")), touched);
  EXPECT_EQ(store_->statistics().commits, before.commits);
  EXPECT_EQ(store_->statistics().timed_waits, 0U);
}

TEST_F(StoreWriter, OpeningAnUpToDateDatabaseWritesNothing) {
  open_with_peer(options());
  store_.reset();
  const auto touched = std::filesystem::last_write_time(folder_.file());
  open(options());
  store_.reset();
  EXPECT_EQ(std::filesystem::last_write_time(folder_.file()), touched);
}

TEST_F(StoreWriter, StopWritesWhatWaits) {
  open_with_peer(options());
  AttemptRow attempt;
  attempt.id = 1;
  attempt.peer = peer_id(1);
  Pending<OutboxRef> message;
  {
    const Hold hold(*store_);
    store_->begin_attempt(attempt);
    append_one(*store_, peer_id(1), outbox_row(1), {}, message.done());
    store_->finish_attempt(1, "closed", "", at(1));
  }
  store_->stop();
  EXPECT_TRUE(message.future.get());
  EXPECT_FALSE(std::filesystem::exists(folder_.file("p2pd.db-wal")));
  reopen();
  EXPECT_EQ(outbox(1).size(), 1U);
  EXPECT_EQ(history(1)[0].outcome, "closed");
}

TEST_F(StoreWriter, AfterStopCallsAreCancelledThroughTheirPost) {
  open_with_peer(options());
  store_->stop();
  store_->stop();
  std::vector<std::function<void()>> posted;
  bool called = false;
  store_->load_peers([&](std::function<void()> task) { posted.push_back(std::move(task)); },
                     [&](const auto& result) {
                       called = true;
                       EXPECT_TRUE(is(result.error(), StoreError::cancelled));
                       EXPECT_EQ(result.error().code, boost::system::errc::operation_canceled);
                     });
  EXPECT_FALSE(called);
  ASSERT_EQ(posted.size(), 1U);
  posted[0]();
  EXPECT_TRUE(called);
  EXPECT_TRUE(is(append(1, outbox_row(1)).error(), StoreError::cancelled));
  store_->begin_attempt({});
}

TEST_F(StoreWriter, CompletionsGoThroughPostInOrder) {
  open_with_peer(options());
  std::mutex mutex;
  std::vector<std::function<void()>> posted;
  const Post post = [&](std::function<void()> task) {
    const std::lock_guard lock(mutex);
    posted.push_back(std::move(task));
  };
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    append_one(*store_, peer_id(1), outbox_row(i), post,
               [&](const auto& result) { order.push_back(result->sequence); });
  }
  store_->stop();
  EXPECT_TRUE(order.empty());
  for (const auto& task : posted) task();
  ASSERT_EQ(order.size(), 20U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(StoreWriter, EveryCallOfManyThreadsCompletesOnceWhileItIsStopped) {
  constexpr std::uint64_t kThreads = 6;
  constexpr std::uint64_t kEach = 400;
  Options bounded;
  bounded.queued_calls = 200;
  bounded.flush_after = std::chrono::milliseconds(1);
  open(bounded);
  ASSERT_TRUE(add_peer(1));
  std::atomic<std::uint64_t> completed = 0;
  std::atomic<int> stored = 0;
  std::latch halfway(kThreads);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        if (i == kEach / 2) halfway.count_down();
        const std::uint64_t number = t * kEach + i + 1;
        switch (i % 4) {
          case 0:
            append_one(*store_, peer_id(1), outbox_row(number), {}, [&](const auto& result) {
              ++completed;
              if (result) ++stored;
            });
            break;
          case 1:
            store_->load_outbox(peer_id(1), 0, 5, 1000, {}, [&](const auto&) { ++completed; });
            break;
          case 2:
            store_->commit_inbox(peer_id(1), number, {inbound(1)}, {}, [&](const auto&) { ++completed; });
            break;
          default:
            store_->add_path(1, {});
            ++completed;
        }
      }
    });
  }
  halfway.wait();
  store_->stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(completed, kThreads * kEach);
  reopen();
  EXPECT_EQ(outbox(1, 0, 100'000).size(), static_cast<std::size_t>(stored));
}

}  // namespace
}  // namespace p2pd::store
