#include "store/opening.hpp"

#include <fstream>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/migrations.hpp"
#include "tests/unit/store/faulty_vfs.hpp"
#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::store {
namespace {

class StoreOpening : public StoreTest {
 protected:
  // SQL on the closed file, as another program would run it.
  void edit(const std::string& sql) {
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(folder_.file().c_str(), &raw), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(raw);
    sqlite3_close(raw);
  }
  void overwrite(std::streamoff offset, std::size_t size) {
    std::fstream file(folder_.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << std::string(size, '\xa5');
  }
  base::Error failure(Options options = {}) {
    const auto opened = Store::open(folder_.file(), std::move(options));
    return opened ? base::Error() : opened.error();
  }
  // Opens and expects a fresh database beside the damaged one.
  void expect_set_aside() {
    Options options;
    options.wall_clock = [] { return at(1'769'860'800'000); };
    open(options);
    ASSERT_TRUE(store_->opened_report().set_aside);
    EXPECT_EQ(*store_->opened_report().set_aside, folder_.file("p2pd.db.damaged-20260131T120000Z"));
    EXPECT_FALSE(store_->opened_report().damage.empty());
    EXPECT_TRUE(store_->opened_report().created);
    EXPECT_TRUE(std::filesystem::exists(*store_->opened_report().set_aside));
    EXPECT_TRUE(peers().empty());
    EXPECT_TRUE(add_peer(1));
    reopen();
    EXPECT_FALSE(store_->opened_report().set_aside);
    EXPECT_FALSE(store_->opened_report().created);
    EXPECT_EQ(peers().size(), 1U);
  }
  // A closed database with enough in it to have many pages.
  void fill() {
    open();
    ASSERT_TRUE(add_peer(1));
    for (std::uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(append(1, outbox_row(i, 5000)));
    store_.reset();
  }
};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST_F(StoreOpening, MakesFilesThatOnlyTheOwnerReads) {
  const mode_t before = ::umask(0);
  open();
  EXPECT_TRUE(store_->opened_report().created);
  EXPECT_TRUE(add_peer(1));
  EXPECT_EQ(mode_of(folder_.file()), 0600U);
  EXPECT_EQ(mode_of(folder_.file("p2pd.db-wal")), 0600U);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("p2pd.db-shm")));
  ::umask(before);
  reopen();
  EXPECT_FALSE(store_->opened_report().created);
}

TEST_F(StoreOpening, RefusesALinkAFolderAndAMissingFolder) {
  std::filesystem::create_symlink(folder_.file("elsewhere.db"), folder_.file());
  EXPECT_TRUE(is(failure(), StoreError::cannot_open)) << failure().message();
  EXPECT_FALSE(std::filesystem::exists(folder_.file("elsewhere.db")));
  std::filesystem::remove(folder_.file());
  std::filesystem::create_directory(folder_.file());
  EXPECT_TRUE(is(failure(), StoreError::cannot_open));
  const auto missing = Store::open(folder_.file("missing/p2pd.db"));
  ASSERT_FALSE(missing);
  EXPECT_TRUE(is(missing.error(), StoreError::cannot_open));
}

TEST_F(StoreOpening, AnEmptyFileIsANewDatabase) {
  std::ofstream(folder_.file()).flush();
  open();
  EXPECT_TRUE(add_peer(1));
  EXPECT_FALSE(store_->opened_report().set_aside);
}

TEST_F(StoreOpening, IsRefusedWhileTheSameProcessHasIt) {
  open();
  EXPECT_TRUE(is(failure(), StoreError::locked)) << failure().message();
  EXPECT_TRUE(add_peer(1));
}

TEST_F(StoreOpening, IsRefusedWhileAnotherProcessHasIt) {
  int ready[2], leave[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(leave), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    const auto opened = Store::open(folder_.file());
    if (!opened || ::write(ready[1], "x", 1) != 1) ::_exit(1);
    ::close(leave[1]);
    (void)!::read(leave[0], &byte, 1);
    ::_exit(0);
  }
  ::close(ready[1]);
  ::close(leave[0]);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const base::Error error = failure();
  EXPECT_TRUE(is(error, StoreError::locked)) << error.message();
  EXPECT_NE(error.message().find("another p2pd"), std::string::npos);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  ::waitpid(child, nullptr, 0);
  // The lock went with the process.
  open();
  EXPECT_FALSE(store_->opened_report().set_aside);
  ::close(ready[0]);
  ::close(leave[1]);
}

TEST_F(StoreOpening, ANewerDatabaseIsRefusedAndLeftAlone) {
  fill();
  edit("PRAGMA user_version = 70");
  const base::Error error = failure();
  EXPECT_TRUE(is(error, StoreError::newer_version));
  EXPECT_EQ(error.message(), folder_.file() + ": made by a newer p2pd (schema 70, this program knows " +
                                 std::to_string(migrations().size()) +
                                 "): upgrade p2pd or use another --state-dir");
  edit("PRAGMA user_version = " + std::to_string(migrations().size()));
  open();
  EXPECT_EQ(outbox(1).size(), 20U);
}

TEST_F(StoreOpening, ADatabaseOfAnotherProgramIsRefusedAndLeftAlone) {
  edit("CREATE TABLE music (title); PRAGMA user_version = 1");
  EXPECT_TRUE(is(failure(), StoreError::foreign)) << failure().message();
  edit("INSERT INTO music VALUES ('still here')");
}

TEST_F(StoreOpening, AFileThatIsNoDatabaseIsSetAside) {
  std::ofstream(folder_.file()) << std::string(20'000, 'x');
  expect_set_aside();
  EXPECT_EQ(std::filesystem::file_size(folder_.file("p2pd.db.damaged-20260131T120000Z")), 20'000U);
}

TEST_F(StoreOpening, ADamagedPageIsFoundAndTheDatabaseSetAside) {
  fill();
  // Whichever table or index these pages belong to: their headers are garbage now.
  for (std::streamoff page = 2; page < 8; ++page) overwrite(page * 4096, 64);
  expect_set_aside();
}

TEST_F(StoreOpening, ATruncatedDatabaseIsSetAside) {
  fill();
  std::filesystem::resize_file(folder_.file(), 3 * 4096 + 100);
  expect_set_aside();
}

TEST_F(StoreOpening, ADamagedSchemaIsSetAside) {
  fill();
  overwrite(100, 3000);
  expect_set_aside();
}

TEST_F(StoreOpening, TheLogOfADamagedDatabaseIsSetAsideWithIt) {
  std::ofstream(folder_.file()) << "database";
  std::ofstream(folder_.file("p2pd.db-wal")) << "log";
  std::ofstream(folder_.file("p2pd.db-shm")) << "index";
  std::ofstream(folder_.file("identity.key")) << "key";
  const auto first = set_aside(folder_.file(), at(0));
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, folder_.file("p2pd.db.damaged-19700101T000000Z"));
  for (const char* companion : {"", "-wal", "-shm"}) {
    EXPECT_TRUE(std::filesystem::exists(*first + companion));
    EXPECT_FALSE(std::filesystem::exists(folder_.file() + companion));
  }
  EXPECT_TRUE(std::filesystem::exists(folder_.file("identity.key")));
  // A second one in the same second replaces nothing.
  std::ofstream(folder_.file()) << "another";
  EXPECT_EQ(set_aside(folder_.file(), at(0)).value(), *first + "-2");
  EXPECT_EQ(std::filesystem::file_size(*first), 8U);
}

TEST_F(StoreOpening, ADiskThatFailsIsReportedAndNothingIsSetAside) {
  fill();
  Options options;
  options.vfs = faulty_vfs();
  faults().read_error = SQLITE_IOERR_READ;
  faults().system_error = EIO;
  const base::Error error = failure(options);
  EXPECT_TRUE(is(error, StoreError::io)) << error.message();
  faults().reset();
  open();
  EXPECT_EQ(outbox(1).size(), 20U);
}

TEST_F(StoreOpening, AFileThatCannotBeWrittenIsRefused) {
  fill();
  Options options;
  options.vfs = faulty_vfs();
  faults().open_read_only = true;
  const base::Error error = failure(options);
  EXPECT_TRUE(is(error, StoreError::read_only)) << error.message();
}

TEST_F(StoreOpening, AFullDiskAtTheFirstStartLeavesNothingBehindThatStopsTheSecond) {
  Options options;
  options.vfs = faulty_vfs();
  faults().write_error = SQLITE_FULL;
  EXPECT_TRUE(is(failure(options), StoreError::disk_full)) << failure(options).message();
  faults().reset();
  open();
  EXPECT_FALSE(store_->opened_report().set_aside);
  EXPECT_TRUE(add_peer(1));
}

}  // namespace
}  // namespace p2pd::store
