#include "daemon/outbound_file.hpp"

#include <array>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <variant>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/daemon/file_content_fixture.hpp"

namespace p2pd::daemon {
namespace {

using proto::FileWithdrawal;
using Where = std::variant<std::uint64_t, FileWithdrawal>;

class OutboundFileTest : public test::FileContentTest {
 protected:
  ~OutboundFileTest() override { worker.stop(); }

  void send(const std::string& name) {
    base::Descriptor file = opened(name);
    const auto facts = look_at_file(file.get());
    ASSERT_TRUE(facts) << facts.error().message();
    source = std::make_shared<OutboundFile>(worker, io.get_executor(), std::move(file), *facts);
  }
  Where begin(std::uint64_t offset, const net::Sha256& prefix) {
    return answer<Where>([&](auto done) { source->begin(offset, prefix, done); });
  }
  peer::FilePiece read() {
    return answer<peer::FilePiece>([&](auto done) { source->read(done); });
  }
  // Everything up to the end, holes as zeros.
  base::Bytes read_all() {
    base::Bytes out;
    while (true) {
      const peer::FilePiece piece = read();
      if (const auto* data = std::get_if<base::Bytes>(&piece)) {
        EXPECT_LE(data->size(), OutboundFile::kRead);
        out.insert(out.end(), data->begin(), data->end());
      } else if (const auto* hole = std::get_if<proto::FileHole>(&piece)) {
        holes += hole->length;
        out.resize(out.size() + hole->length);
      } else {
        const auto* end = std::get_if<proto::FileEnd>(&piece);
        EXPECT_NE(end, nullptr);
        if (end != nullptr) digest = end->digest;
        return out;
      }
    }
  }
  static std::string why_not(int fd) {
    const auto facts = look_at_file(fd);
    return facts ? "" : facts.error().message();
  }

  std::shared_ptr<OutboundFile> source;
  std::uint64_t holes = 0;
  net::Sha256 digest{};
};

TEST_F(OutboundFileTest, GivesEverythingAndItsDigest) {
  const base::Bytes all = pattern(3 * OutboundFile::kRead + 17);
  put("file", all);
  send("file");
  EXPECT_EQ(source->phase(), SourcePhase::resting);
  EXPECT_EQ(std::get<std::uint64_t>(begin(0, net::sha256({}))), 0U);
  EXPECT_EQ(source->phase(), SourcePhase::sending);
  EXPECT_EQ(read_all(), all);
  EXPECT_EQ(digest, net::sha256(all));
}

TEST_F(OutboundFileTest, AnEmptyFileIsItsEnd) {
  put("file", {});
  send("file");
  (void)begin(0, net::sha256({}));
  EXPECT_TRUE(read_all().empty());
  EXPECT_EQ(digest, net::sha256({}));
}

TEST_F(OutboundFileTest, GoesOnBehindABeginningThatIsTheSame) {
  const base::Bytes all = pattern(2'000'000);
  put("file", all);
  send("file");
  const base::ByteView first = base::ByteView(all).first(1'234'567);
  EXPECT_EQ(std::get<std::uint64_t>(begin(first.size(), net::sha256(first))), first.size());
  const base::Bytes rest = read_all();
  EXPECT_EQ(rest, base::Bytes(all.begin() + 1'234'567, all.end()));
  EXPECT_EQ(digest, net::sha256(all));
  // And back, as after a restart of the receiver.
  EXPECT_EQ(std::get<std::uint64_t>(begin(10, net::sha256(base::ByteView(all).first(10)))), 10U);
  EXPECT_EQ(read_all().size(), all.size() - 10);
  EXPECT_EQ(digest, net::sha256(all));
}

TEST_F(OutboundFileTest, BeginsAnewWhereTheOtherEndHasSomethingElse) {
  const base::Bytes all = pattern(100'000);
  put("file", all);
  send("file");
  EXPECT_EQ(std::get<std::uint64_t>(begin(50'000, net::sha256(pattern(50'000, 2)))), 0U);
  EXPECT_EQ(read_all(), all);
  EXPECT_EQ(digest, net::sha256(all));
}

TEST_F(OutboundFileTest, SkipsHolesAndHashesThemAsZeros) {
  base::Bytes all(8 << 20);
  all[0] = 1;
  all[5 << 20] = 2;
  put("file", {});
  {
    const base::Descriptor file = opened("file", O_WRONLY);
    ASSERT_EQ(::pwrite(file.get(), all.data(), 1, 0), 1);
    ASSERT_EQ(::pwrite(file.get(), &all[5 << 20], 1, 5 << 20), 1);
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(all.size())), 0);
  }
  send("file");
  (void)begin(0, net::sha256({}));
  EXPECT_EQ(read_all(), all);
  EXPECT_EQ(digest, net::sha256(all));
  struct stat info {};
  ASSERT_EQ(::stat(path("file").c_str(), &info), 0);
  // Where the file system knows holes at all.
  if (info.st_blocks * 512 < (1 << 20)) {
    EXPECT_GT(holes, 7U << 20);
  }
}

TEST_F(OutboundFileTest, ChangesAreFoundWithTheNextRead) {
  put("file", pattern(1 << 20));
  send("file");
  (void)begin(0, net::sha256({}));
  EXPECT_TRUE(std::holds_alternative<base::Bytes>(read()));
  ASSERT_EQ(::truncate(path("file").c_str(), 10), 0);
  EXPECT_EQ(std::get<FileWithdrawal>(read()), FileWithdrawal::changed);

  // As long as it was, but written to.
  put("file", pattern(1000));
  send("file");
  const std::array<timespec, 2> times{{{0, UTIME_OMIT}, {1'000, 0}}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("file").c_str(), times.data(), 0), 0);
  EXPECT_EQ(std::get<FileWithdrawal>(begin(0, net::sha256({}))), FileWithdrawal::changed);
}

TEST_F(OutboundFileTest, AChangeAfterTheLastByteIsFoundBeforeTheEnd) {
  put("file", pattern(10));
  send("file");
  (void)begin(0, net::sha256({}));
  EXPECT_TRUE(std::holds_alternative<base::Bytes>(read()));
  ASSERT_EQ(::truncate(path("file").c_str(), 11), 0);
  EXPECT_EQ(std::get<FileWithdrawal>(read()), FileWithdrawal::changed);
}

TEST_F(OutboundFileTest, ReadsAsTheSameFileUnderAnotherNameOrNone) {
  const base::Bytes all = pattern(1000);
  put("file", all);
  send("file");
  std::filesystem::rename(path("file"), path("renamed"));
  (void)begin(0, net::sha256({}));
  std::filesystem::remove(path("renamed"));
  EXPECT_EQ(read_all(), all);
}

TEST_F(OutboundFileTest, ABeginEndsWhatAnEarlierOneAskedFor) {
  const base::Bytes all = pattern(1000);
  put("file", all);
  send("file");
  (void)begin(0, net::sha256({}));
  bool stale = false;
  std::promise<void> blocked;
  auto gate = blocked.get_future().share();
  // Both threads are held until the second begin() has been asked for.
  for (std::size_t i = 0; i < FileWorker::kThreads; ++i) worker.post([gate] { gate.wait(); });
  source->read([&](const peer::FilePiece&) { stale = true; });
  source->begin(0, net::sha256({}), [](const Where&) {});
  blocked.set_value();
  EXPECT_EQ(std::get<std::uint64_t>(begin(0, net::sha256({}))), 0U);
  EXPECT_FALSE(stale);
  EXPECT_EQ(read_all(), all);
}

TEST_F(OutboundFileTest, OnlyARegularFileThatMayBeReadIsSent) {
  put("file", {});
  EXPECT_EQ(why_not(opened("file").get()), "");
  EXPECT_NE(why_not(opened("file", O_WRONLY).get()).find("not open for reading"), std::string::npos);
  EXPECT_NE(why_not(opened(".").get()).find("folder"), std::string::npos);
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_NE(why_not(opened("fifo", O_RDONLY | O_NONBLOCK).get()).find("not a regular file"),
            std::string::npos);
  EXPECT_NE(why_not(opened("file", O_PATH).get()), "") << "O_PATH";
  EXPECT_NE(why_not(-1), "");
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const base::Descriptor in(pipe[0]);
  const base::Descriptor out(pipe[1]);
  EXPECT_NE(why_not(in.get()).find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace p2pd::daemon
