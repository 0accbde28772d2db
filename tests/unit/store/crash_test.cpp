#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/faulty_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

constexpr std::uint64_t kOneEpoch = 42;
// More than one checkpoint's worth of writes is not needed: closing and reopening checkpoint as well.
constexpr std::uint64_t kRounds = 12;

// What the process that was killed had been told.
struct Told {
  std::uint64_t appended = 0;   // the highest outbox number
  std::uint64_t committed = 0;  // the highest inbox sequence
};

class StoreCrash : public StoreTest {
 protected:
  // Stores messages in both directions, telling of each answer, until the plan kills it.
  [[noreturn]] void work_and_die(int tell, int kill_before) {
    Options options;
    options.vfs = faulty_vfs();
    faults().kill_before = kill_before;
    auto opened = Store::open(folder_.file(), options);
    if (!opened) ::_exit(1);
    store_ = std::move(*opened);
    (void)add_peer(1);
    const auto report = [&](char what, std::uint64_t number) {
      const Told told{what == 'o' ? number : 0, what == 'i' ? number : 0};
      if (::write(tell, &told, sizeof told) != sizeof told) ::_exit(2);
    };
    std::uint64_t next = mark(1, kOneEpoch);
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const auto appended =
          append(1, {0, fmt::format("{}-{}", kill_before, round), at(1), "", "", base::Bytes(700)});
      if (appended) report('o', appended->sequence);
      // Three new ones and, as after a lost acknowledgement, two repeats.
      std::vector<InboundMessage> batch;
      for (std::uint64_t i = next < 2 ? 1 : next - 1; i <= next + 3; ++i) batch.push_back(inbound(i, 700));
      const auto committed = commit(1, kOneEpoch, batch);
      if (committed) report('i', next = committed->high_water);
    }
    store_.reset();
    ::_exit(0);
  }

  // True: it was killed.
  bool run_child(int kill_before, Told& told) {
    int pipe[2];
    EXPECT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      work_and_die(pipe[1], kill_before);
    }
    ::close(pipe[1]);
    Told line;
    while (::read(pipe[0], &line, sizeof line) == sizeof line) {
      told.appended = std::max(told.appended, line.appended);
      told.committed = std::max(told.committed, line.committed);
    }
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return true;
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return false;
  }

  void verify(const Told& told) {
    ASSERT_FALSE(store_->opened_report().set_aside);
    const auto rows = inbox();
    const std::uint64_t high_water = mark(1, kOneEpoch);
    EXPECT_GE(high_water, told.committed);
    ASSERT_EQ(rows.size(), high_water);
    for (std::uint64_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].message.sequence, i + 1);
    const auto waiting = outbox(1);
    EXPECT_GE(waiting.size(), told.appended);
    for (std::uint64_t i = 0; i < waiting.size(); ++i) ASSERT_EQ(waiting[i].sequence, i + 1);
    if (!waiting.empty()) {
      EXPECT_EQ(counts()[0].messages, waiting.size());
    }
  }
};

TEST_F(StoreCrash, KilledAtAnyWriteNothingToldIsLostAndNothingIsStoredTwice) {
  // One database through all the crashes, so that recovery meets what earlier ones left.
  Told told;
  int killed = 0;
  for (int kill_before = 0; run_child(kill_before, told); kill_before += 1 + kill_before / 8) {
    ++killed;
    open();
    verify(told);
    if (HasFatalFailure()) return;
    store_.reset();
  }
  EXPECT_GT(killed, 15);
}

// Power loss: only what was synced is there. The copies are made at each sync, as the disk would look.
TEST_F(StoreCrash, WhatWasToldIsOnTheDiskWhenThePowerFails) {
  const Folder disk;
  Options options;
  options.vfs = faulty_vfs();
  {
    const std::lock_guard lock(faults().mutex);
    faults().durable_copy = disk.path();
  }
  open(options);
  ASSERT_TRUE(add_peer(1));
  for (std::uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(append(1, outbox_row(i)));
    ASSERT_TRUE(commit(1, kOneEpoch, {inbound(i)}));
    const Folder after;
    std::filesystem::copy(disk.path(), after.path());
    // The folder entry of the database is synced when it is made.
    std::ofstream(after.file(), std::ios::app).flush();
    std::unique_ptr<Store> other = Store::open(after.file()).value();
    store_.swap(other);
    verify({i, i});
    store_.swap(other);
    if (HasFatalFailure()) break;
  }
  store_.reset();
  faulty_vfs();
}

}  // namespace
}  // namespace p2pd::store
