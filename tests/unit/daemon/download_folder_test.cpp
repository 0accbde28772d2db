#include "daemon/download_folder.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store/store_fixture.hpp"

namespace p2pd::daemon {
namespace {

namespace fs = std::filesystem;
const std::string kPartialName = ".p2pd-x.part";

// Modes say nothing to root: makes the process another user, and that one the owner of the files, for its
// lifetime.
class NotRoot {
 public:
  explicit NotRoot(const std::vector<fs::path>& files) {
    if (::geteuid() != 0) return;
    for (const fs::path& file : files) EXPECT_EQ(::chown(file.c_str(), kNobody, kNobody), 0);
    EXPECT_EQ(::seteuid(kNobody), 0);
    changed_ = true;
  }
  ~NotRoot() {
    if (changed_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }
  NotRoot(const NotRoot&) = delete;
  NotRoot& operator=(const NotRoot&) = delete;

 private:
  static constexpr uid_t kNobody = 65534;
  bool changed_ = false;
};

class DownloadFolderTest : public testing::Test {
 protected:
  [[nodiscard]] DownloadFolder open() const {
    auto folder = DownloadFolder::open(path().string());
    EXPECT_TRUE(folder) << folder.error().message();
    return std::move(*folder);
  }
  [[nodiscard]] fs::path path() const { return folder_.path() / "in" / "files"; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(path() / name) << text; }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(path() / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] mode_t mode(const fs::path& file) const {
    struct stat info {};
    EXPECT_EQ(::lstat(file.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  store::Folder folder_;
};

TEST_F(DownloadFolderTest, IsMadeWithItsParentsForItsOwnerAlone) {
  (void)open();
  EXPECT_EQ(mode(path()), 0700U);
}

TEST_F(DownloadFolderTest, IsNoLinkAndNoFile) {
  fs::create_directories(folder_.path() / "in" / "elsewhere");
  fs::create_directory_symlink("elsewhere", path());
  const auto link = DownloadFolder::open(path().string());
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().message().find("not a link"), std::string::npos) << link.error().message();
  fs::remove(path());
  std::ofstream(path()) << "a file";
  EXPECT_FALSE(DownloadFolder::open(path().string()));
}

TEST_F(DownloadFolderTest, IsCheckedWithoutMakingAnything) {
  EXPECT_TRUE(DownloadFolder::check(path().string()));
  EXPECT_FALSE(fs::exists(path().parent_path()));
  std::ofstream(folder_.path() / "in") << "a file";
  EXPECT_FALSE(DownloadFolder::check(path().string()));
  fs::remove(folder_.path() / "in");
  {
    const NotRoot not_root({folder_.path()});
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0500), 0);
    const auto closed = DownloadFolder::check(path().string());
    ASSERT_FALSE(closed);
    EXPECT_NE(closed.error().message().find(folder_.path().string()), std::string::npos);
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0700), 0);
  }
  fs::create_directory(folder_.path() / "in");
  fs::create_directory_symlink("/", path());
  EXPECT_FALSE(DownloadFolder::check(path().string()));
}

TEST_F(DownloadFolderTest, APartialFileIsOursAlone) {
  const DownloadFolder folder = open();
  const auto partial = folder.open_partial(kPartialName);
  ASSERT_TRUE(partial);
  EXPECT_EQ(mode(path() / kPartialName), 0600U);
  EXPECT_TRUE(folder.open_partial(kPartialName)) << "opened again";

  fs::create_symlink("/etc/passwd", path() / ".p2pd-link.part");
  EXPECT_FALSE(folder.open_partial(".p2pd-link.part"));
  put("victim", "precious");
  fs::create_hard_link(path() / "victim", path() / ".p2pd-hard.part");
  EXPECT_FALSE(folder.open_partial(".p2pd-hard.part"));
  ASSERT_EQ(::mkfifo((path() / ".p2pd-fifo.part").c_str(), 0600), 0);
  EXPECT_FALSE(folder.open_partial(".p2pd-fifo.part"));
  fs::create_directory(path() / ".p2pd-folder.part");
  EXPECT_FALSE(folder.open_partial(".p2pd-folder.part"));
}

// A kill between getting its own mode and its name leaves one that its owner may not even read.
TEST_F(DownloadFolderTest, APartialFileThatMayNotBeWrittenIsOpenedAllTheSame) {
  const DownloadFolder folder = open();
  put(kPartialName, "received");
  const NotRoot not_root({folder_.path(), path().parent_path(), path(), path() / kPartialName});
  for (const mode_t closed : {mode_t{0444}, mode_t{0}}) {
    ASSERT_EQ(::chmod((path() / kPartialName).c_str(), closed), 0);
    const auto partial = folder.open_partial(kPartialName);
    ASSERT_TRUE(partial) << partial.error().message();
    EXPECT_EQ(::pwrite(partial->get(), "R", 1, 0), 1);
  }
  EXPECT_EQ(::chmod((path() / kPartialName).c_str(), 0600), 0);
  EXPECT_EQ(text(kPartialName), "Received");
}

TEST_F(DownloadFolderTest, ANameIsGivenButNeverTakenFromAnother) {
  const DownloadFolder folder = open();
  put(kPartialName, "new");
  put("taken", "old");
  fs::create_symlink("/nowhere", path() / "dangling");
  for (const char* name : {"taken", "dangling"}) {
    EXPECT_TRUE(folder.taken(name));
    const auto renamed = folder.rename_to_new(kPartialName, name);
    ASSERT_FALSE(renamed);
    EXPECT_EQ(renamed.error().code, boost::system::errc::file_exists);
  }
  EXPECT_EQ(text("taken"), "old");
  EXPECT_FALSE(folder.taken("free"));
  EXPECT_TRUE(folder.rename_to_new(kPartialName, "free"));
  EXPECT_EQ(text("free"), "new");
  EXPECT_FALSE(folder.taken(kPartialName));
}

TEST_F(DownloadFolderTest, ListsTemporaryFilesOnlyAndRemovesOne) {
  const DownloadFolder folder = open();
  put(kPartialName, "");
  put("photo.jpg", "");
  put(".hidden", "");
  EXPECT_EQ(folder.partials(), std::vector{kPartialName});
  EXPECT_EQ(folder.partials(), std::vector{kPartialName}) << "also the second time";
  folder.remove(kPartialName);
  EXPECT_TRUE(folder.partials().empty());
  EXPECT_TRUE(folder.taken("photo.jpg"));
}

TEST_F(DownloadFolderTest, KnowsTheSameFileUnderTwoNames) {
  const DownloadFolder folder = open();
  put("one", "");
  put("other", "");
  fs::create_hard_link(path() / "one", path() / "also one");
  EXPECT_TRUE(folder.same("one", "also one"));
  EXPECT_FALSE(folder.same("one", "other"));
  EXPECT_FALSE(folder.same("one", "none"));
}

TEST_F(DownloadFolderTest, StaysWithItsFolderWhateverBecomesOfThePath) {
  const DownloadFolder folder = open();
  put(kPartialName, "new");
  fs::rename(path(), folder_.path() / "moved");
  fs::create_directory_symlink("/nowhere", path());
  EXPECT_TRUE(folder.rename_to_new(kPartialName, "stored"));
  EXPECT_TRUE(fs::exists(folder_.path() / "moved" / "stored"));
}

}  // namespace
}  // namespace p2pd::daemon
