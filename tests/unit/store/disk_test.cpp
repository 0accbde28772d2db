#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/faulty_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

struct Fault {
  const char* name;
  int write_error;
  int sync_error;
  int system_error;
  StoreError expected;
};

class StoreDisk : public StoreTest {
 protected:
  Options options() {
    Options options;
    options.vfs = faulty_vfs();
    return options;
  }
};

class StoreDiskFault : public StoreDisk, public testing::WithParamInterface<Fault> {};

TEST_P(StoreDiskFault, IsTypedAndPassesWithoutRestart) {
  open(options());
  ASSERT_TRUE(add_peer(1));
  ASSERT_TRUE(append(1, outbox_row(1)));
  ASSERT_TRUE(commit(1, 1, {inbound(1)}));
  faults().write_error = GetParam().write_error;
  faults().sync_error = GetParam().sync_error;
  faults().system_error = GetParam().system_error;
  for (int i = 0; i < 3; ++i) {
    const auto message = append(1, outbox_row(2));
    ASSERT_FALSE(message);
    EXPECT_TRUE(is(message.error(), GetParam().expected)) << message.error().message();
    const auto committed = commit(1, 1, {inbound(2)});
    ASSERT_FALSE(committed);
    EXPECT_TRUE(is(committed.error(), GetParam().expected)) << committed.error().message();
    EXPECT_EQ(mark(1, 1), 1U);
    EXPECT_EQ(outbox(1).size(), 1U);
  }
  faults().reset();
  EXPECT_EQ(append(1, outbox_row(2))->sequence, 2U);
  EXPECT_EQ(commit(1, 1, {inbound(2)})->stored, 1U);
  reopen();
  EXPECT_FALSE(store_->opened_report().set_aside);
  EXPECT_EQ(outbox(1).size(), 2U);
  EXPECT_EQ(inbox().size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(
    All, StoreDiskFault,
    testing::Values(Fault{"NoSpace", SQLITE_FULL, SQLITE_OK, ENOSPC, StoreError::disk_full},
                    Fault{"UserQuota", SQLITE_IOERR_WRITE, SQLITE_OK, EDQUOT, StoreError::disk_full},
                    Fault{"FailingDisk", SQLITE_IOERR_WRITE, SQLITE_OK, EIO, StoreError::io},
                    Fault{"RemountedReadOnly", SQLITE_IOERR_WRITE, SQLITE_OK, EROFS, StoreError::read_only},
                    Fault{"FailingSync", SQLITE_OK, SQLITE_IOERR_FSYNC, EIO, StoreError::io},
                    Fault{"NoSpaceAtSync", SQLITE_OK, SQLITE_IOERR_FSYNC, ENOSPC, StoreError::disk_full}),
    [](const auto& test) { return std::string(test.param.name); });

// The real thing: the kernel refuses to let the log grow.
TEST_F(StoreDisk, AFileSizeLimitIsAFullDiskUntilItIsLifted) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    open();
    if (!add_peer(1)) ::_exit(1);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = std::filesystem::file_size(folder_.file("p2pd.db-wal")) + 20'000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::uint64_t number = 0;
    base::Result<OutboxRef> stored = append(1, outbox_row(++number, 3000));
    while (stored && number < 100) stored = append(1, outbox_row(++number, 3000));
    if (stored || !is(stored.error(), StoreError::disk_full)) ::_exit(2);
    if (outbox(1).size() != number - 1) ::_exit(3);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    if (!append(1, outbox_row(number, 3000))) ::_exit(4);
    store_.reset();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  open();
  EXPECT_FALSE(store_->opened_report().set_aside);
  EXPECT_GT(outbox(1).size(), 1U);
}

TEST_F(StoreDisk, TheReserveIsKeptFreeOfMessagesOnly) {
  std::atomic<std::uint64_t> free = 100;
  Options limited;
  limited.disk_reserve = 1000;
  limited.free_space = [&free](const std::string&) { return std::optional<std::uint64_t>(free); };
  open(limited);
  ASSERT_TRUE(add_peer(1));
  const auto message = append(1, outbox_row(1));
  ASSERT_FALSE(message);
  EXPECT_TRUE(is(message.error(), StoreError::disk_full)) << message.error().message();
  EXPECT_TRUE(is(commit(1, 1, {inbound(1)}).error(), StoreError::disk_full));
  EXPECT_EQ(mark(1, 1), 0U);
  free = 1000;
  EXPECT_TRUE(append(1, outbox_row(1)));
  EXPECT_TRUE(commit(1, 1, {inbound(1)}));
  free = 999;
  // What makes room, and what is a repeat, goes on.
  EXPECT_EQ(commit(1, 1, {inbound(1)})->high_water, 1U);
  EXPECT_EQ(acknowledge({}, 100).value(), 1U);
  EXPECT_EQ(delivered(1, 1).size(), 1U);
  EXPECT_TRUE(remove(1));
}

TEST_F(StoreDisk, AnUnknownAmountOfFreeSpaceRefusesNothing) {
  Options limited;
  limited.free_space = [](const std::string&) { return std::optional<std::uint64_t>(); };
  open(limited);
  ASSERT_TRUE(add_peer(1));
  EXPECT_TRUE(append(1, outbox_row(1)));
}

TEST_F(StoreDisk, TheSystemIsAskedByDefault) {
  Options impossible;
  impossible.disk_reserve = std::uint64_t{1} << 62;
  open(impossible);
  ASSERT_TRUE(add_peer(1));
  EXPECT_TRUE(is(append(1, outbox_row(1)).error(), StoreError::disk_full));
}

}  // namespace
}  // namespace p2pd::store
