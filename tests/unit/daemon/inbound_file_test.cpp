#include "daemon/inbound_file.hpp"

#include <algorithm>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/post.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/file_content_fixture.hpp"

namespace p2pd::daemon {
namespace {

using proto::FileRefusal;
using store::TransferRow;
using store::TransferState;
using Finish = std::variant<std::string, FileRefusal>;

const std::string kPartial = ".p2pd-test.part";

class InboundFileTest : public test::FileContentTest {
 protected:
  void SetUp() override {
    open();
    ASSERT_TRUE(add_peer(1));
  }
  // The store's thread answers into the worker's lines.
  ~InboundFileTest() override {
    worker.stop();
    if (store_) store_->stop();
  }

  // A transfer of `all` under `name` that was admitted just now.
  void admit(const std::string& name, base::Bytes all) {
    content_ = std::move(all);
    row.id = store::message_id(++number_);
    row.peer = store::peer_id(1);
    row.direction = store::TransferDirection::incoming;
    row.name = name;
    row.size = row.data_size = content_.size();
    row.mtime = 1'234'567'890;
    row.mtime_ns = 123'456'789;
    row.mode = 0640;
    row.folder = folder_.file("files");
    row.created = base::wall_now();
    ASSERT_TRUE(store::wait<void>([&](auto done) { store_->add_transfer(row, {}, done); }));
    take_up();
  }
  // As after a restart of the daemon.
  void take_up() {
    target.reset();
    row = stored();
    file = std::make_shared<InboundFile>(
        InboundFile::Config{worker, *store_, io.get_executor(), reserve, kPartial}, row,
        [this](const InboundFile::Outcome& outcome) {
          boost::asio::post(io, [this, outcome] { outcomes.push_back(outcome); });
        });
  }
  TransferRow stored() {
    return *store::wait<std::optional<TransferRow>>([&](auto done) {
              store_->find_transfer(row.id, {}, done);
            }).value();
  }
  // Opens it for a stream, and has everything before the answer to be compared.
  FileRefusal refused() {
    peer::FileAnswer given = answer<peer::FileAnswer>([&](auto done) { file->open(done); });
    const auto* refusal = std::get_if<FileRefusal>(&given);
    EXPECT_NE(refusal, nullptr);
    return refusal == nullptr ? FileRefusal::busy : *refusal;
  }
  std::uint64_t begin() {
    peer::FileAnswer given = answer<peer::FileAnswer>([&](auto done) { file->open(done); });
    auto* admission = std::get_if<peer::FileAdmission>(&given);
    EXPECT_NE(admission, nullptr);
    if (admission == nullptr) return 0;
    EXPECT_EQ(admission->digest, net::sha256(base::ByteView(content_).first(admission->offset)));
    target = std::move(admission->target);
    target->begin(admission->offset);
    return admission->offset;
  }
  std::optional<FileRefusal> write(std::uint64_t from, std::uint64_t until) {
    peer::FileBatch batch;
    batch.data.assign(content_.begin() + static_cast<std::ptrdiff_t>(from),
                      content_.begin() + static_cast<std::ptrdiff_t>(until));
    return write(std::move(batch));
  }
  std::optional<FileRefusal> write(peer::FileBatch batch) {
    return answer<std::optional<FileRefusal>>([&](auto done) { target->write(std::move(batch), done); });
  }
  Finish finish() { return finish(net::sha256(content_)); }
  Finish finish(const net::Sha256& digest) {
    return answer<Finish>([&](auto done) { target->finish(digest, done); });
  }
  // The stream breaks; what came is on disk afterwards.
  void break_off() {
    target.reset();
    // Its line works in order, and without a name this does nothing.
    EXPECT_FALSE(recovered());
  }
  bool dropped() {
    std::promise<bool> promise;
    file->drop([&](bool gone) { promise.set_value(gone); });
    return promise.get_future().get();
  }
  bool recovered() {
    std::promise<bool> promise;
    file->recover([&](bool is_stored) { promise.set_value(is_stored); });
    return promise.get_future().get();
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("files"), ignored)) {
      out.push_back(entry.path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  struct stat info(const std::string& name) const {
    struct stat out {};
    EXPECT_EQ(::stat(path("files/" + name).c_str(), &out), 0);
    return out;
  }

  std::uint64_t reserve = 0;
  TransferRow row;
  std::shared_ptr<InboundFile> file;
  std::unique_ptr<peer::FileTarget> target;
  std::vector<InboundFile::Outcome> outcomes;

  base::Bytes content_;

 private:
  std::uint64_t number_ = 0;
};

TEST_F(InboundFileTest, IsStoredUnderItsNameWithItsModeAndTime) {
  admit("photo.jpg", pattern(300'000));
  EXPECT_EQ(begin(), 0U);
  EXPECT_FALSE(write(0, 100'000));
  EXPECT_EQ(names(), std::vector{kPartial});
  EXPECT_EQ(info(kPartial).st_mode & 0777U, 0600U) << "nobody else reads half of it";
  EXPECT_FALSE(write(100'000, 300'000));
  EXPECT_EQ(file->bytes(), 300'000U);
  EXPECT_EQ(std::get<std::string>(finish()), "photo.jpg");
  EXPECT_EQ(names(), std::vector<std::string>{"photo.jpg"});
  EXPECT_EQ(content("files/photo.jpg"), content_);
  const struct stat there = info("photo.jpg");
  EXPECT_EQ(there.st_mode & 0777U, 0640U);
  EXPECT_EQ(there.st_mtim.tv_sec, 1'234'567'890);
  EXPECT_EQ(there.st_mtim.tv_nsec, 123'456'789);
  EXPECT_EQ(stored().state, TransferState::done);
  EXPECT_EQ(stored().stored_name, "photo.jpg");
  // The answer was lost: another stream hears it again.
  const auto again = answer<peer::FileAnswer>([&](auto done) { file->open(done); });
  EXPECT_EQ(std::get<std::string>(again), "photo.jpg");
}

TEST_F(InboundFileTest, TakesTheNextNameThatIsFree) {
  for (const char* expected : {"a.txt", "a (1).txt", "a (2).txt"}) {
    admit("a.txt", pattern(10, static_cast<std::uint8_t>(expected[2])));
    begin();
    EXPECT_FALSE(write(0, 10));
    EXPECT_EQ(std::get<std::string>(finish()), expected);
    EXPECT_EQ(content("files/" + std::string(expected)), content_);
  }
}

TEST_F(InboundFileTest, HolesTakeNoRoom) {
  base::Bytes all(4 << 20);
  all[3] = 1;
  admit("sparse", all);
  begin();
  peer::FileBatch batch;
  batch.data.assign(all.begin(), all.begin() + 4);
  batch.holes.push_back({4, all.size() - 4});
  EXPECT_FALSE(write(std::move(batch)));
  EXPECT_EQ(std::get<std::string>(finish()), "sparse");
  EXPECT_EQ(content("files/sparse"), all);
  EXPECT_LT(info("sparse").st_blocks * 512, 1 << 20);
}

TEST_F(InboundFileTest, GoesOnOverAnotherStreamWhereItWas) {
  admit("file", pattern(300'000));
  begin();
  EXPECT_FALSE(write(0, 123'456));
  target.reset();
  EXPECT_EQ(begin(), 123'456U);
  EXPECT_FALSE(write(123'456, 300'000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_EQ(content("files/file"), content_);
}

TEST_F(InboundFileTest, GoesOnAfterARestartBehindWhatIsOnDisk) {
  admit("file", pattern(300'000));
  begin();
  EXPECT_FALSE(write(0, 123'456));
  break_off();
  EXPECT_EQ(stored().durable, 123'456U);
  // Beyond the mark nothing is certain.
  {
    const base::Descriptor partial = opened("files/" + kPartial, O_WRONLY);
    ASSERT_EQ(::pwrite(partial.get(), "garbage", 7, 123'456), 7);
  }
  take_up();
  EXPECT_EQ(begin(), 123'456U);
  EXPECT_FALSE(write(123'456, 300'000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_EQ(content("files/file"), content_);
}

TEST_F(InboundFileTest, APartialFileThatWasCutOrIsGoneIsFetchedAgain) {
  admit("file", pattern(300'000));
  begin();
  EXPECT_FALSE(write(0, 200'000));
  break_off();
  ASSERT_EQ(::truncate(path("files/" + kPartial).c_str(), 1000), 0);
  take_up();
  EXPECT_EQ(begin(), 1000U);
  break_off();
  std::filesystem::remove(path("files/" + kPartial));
  take_up();
  EXPECT_EQ(begin(), 0U);
  EXPECT_FALSE(write(0, 300'000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_EQ(content("files/file"), content_);
}

TEST_F(InboundFileTest, ForgetsWhatItHasWhereTheSenderBeginsAnew) {
  admit("file", pattern(300'000));
  begin();
  EXPECT_FALSE(write(0, 200'000));
  target.reset();
  begin();
  target->begin(0);
  content_ = pattern(300'000, 9);
  EXPECT_FALSE(write(0, 300'000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_EQ(content("files/file"), content_);
}

TEST_F(InboundFileTest, AnotherDigestOrTooLittleIsAMismatchAndTold) {
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 1000));
  EXPECT_EQ(std::get<FileRefusal>(finish(net::sha256({}))), FileRefusal::mismatch);
  EXPECT_EQ(refused(), FileRefusal::cancelled);
  while (outcomes.empty()) io.run_one();
  EXPECT_EQ(std::get<FileRefusal>(outcomes.at(0)), FileRefusal::mismatch);
  EXPECT_TRUE(dropped());
  EXPECT_TRUE(names().empty());

  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 999));
  EXPECT_EQ(std::get<FileRefusal>(finish(net::sha256(base::ByteView(content_).first(999)))),
            FileRefusal::mismatch);
}

TEST_F(InboundFileTest, WhatAnEarlierStreamStillWritesIsVoid) {
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 500));
  const auto old = std::move(target);
  EXPECT_EQ(begin(), 500U);
  peer::FileBatch stale;
  stale.data = base::Bytes(100, 0xee);
  bool answered = false;
  old->write(std::move(stale), [&](const auto&) { answered = true; });
  EXPECT_FALSE(write(500, 1000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_EQ(content("files/file"), content_);
  EXPECT_FALSE(answered);
}

TEST_F(InboundFileTest, DroppedItLeavesNothingAndTakesNothing) {
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 500));
  EXPECT_TRUE(dropped());
  EXPECT_TRUE(names().empty());
  EXPECT_EQ(refused(), FileRefusal::cancelled);

  // As after a restart, when it is not open.
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 500));
  break_off();
  take_up();
  EXPECT_TRUE(dropped());
  EXPECT_TRUE(names().empty());
}

TEST_F(InboundFileTest, IsNotDroppedOnceItHasItsName) {
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 1000));
  EXPECT_EQ(std::get<std::string>(finish()), "file");
  EXPECT_FALSE(dropped());
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(InboundFileTest, KeepsTheReserveOfTheDisk) {
  reserve = std::uint64_t{1} << 60;
  admit("file", pattern(1000));
  EXPECT_EQ(refused(), FileRefusal::disk_full);
}

TEST_F(InboundFileTest, AFolderThatIsALinkIsNotUsed) {
  std::filesystem::create_directory(path("elsewhere"));
  std::filesystem::create_directory_symlink("elsewhere", path("files"));
  admit("file", pattern(1000));
  EXPECT_EQ(refused(), FileRefusal::storage);
  EXPECT_TRUE(std::filesystem::is_empty(path("elsewhere")));
}

TEST_F(InboundFileTest, AKillBeforeItsNameGoesOnAndOneAfterItIsDone) {
  admit("file", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 1000));
  break_off();
  const auto storing = [&] {
    store::TransferChange change;
    change.state = TransferState::storing;
    change.stored_name = "file";
    change.durable = 1000;
    ASSERT_TRUE(store::wait<void>([&](auto done) { store_->change_transfer(row.id, change, {}, done); }));
  };
  storing();
  take_up();
  EXPECT_FALSE(recovered()) << "there is no such file yet";
  // Somebody else's file has the name in the meantime.
  put("files/file", pattern(3));
  take_up();
  EXPECT_FALSE(recovered()) << "that is another file";
  EXPECT_EQ(begin(), 1000U);
  EXPECT_EQ(std::get<std::string>(finish()), "file (1)");

  admit("other", pattern(1000));
  begin();
  EXPECT_FALSE(write(0, 1000));
  break_off();
  store::TransferChange change;
  change.state = TransferState::storing;
  change.stored_name = "other";
  ASSERT_TRUE(store::wait<void>([&](auto done) { store_->change_transfer(row.id, change, {}, done); }));
  // Where renaming is linking and unlinking, both names are there in between.
  std::filesystem::create_hard_link(path("files/" + kPartial), path("files/other"));
  take_up();
  EXPECT_TRUE(recovered());
  EXPECT_EQ(names(), (std::vector<std::string>{"file", "file (1)", "other"}));
  take_up();
  EXPECT_TRUE(recovered()) << "and after the rename";
}

}  // namespace
}  // namespace p2pd::daemon
