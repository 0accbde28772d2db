#include "daemon/folders.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::daemon {
namespace {

namespace fs = std::filesystem;

class StateFolderTest : public testing::Test {
 protected:
  fakes::TempFolder folder;
  const fs::path& root = folder.path();
};

TEST_F(StateFolderTest, IsMadeForItsOwnerAlone) {
  const auto lock = lock_state_folder(root / "a/b");
  ASSERT_TRUE(lock) << lock.error().message();
  struct stat info {};
  ASSERT_EQ(::stat((root / "a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST_F(StateFolderTest, ASecondDaemonIsRefusedUntilTheFirstEnds) {
  auto first = lock_state_folder(root / "state");
  ASSERT_TRUE(first);
  const auto second = lock_state_folder(root / "state");
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find("another p2pd"), std::string::npos) << second.error().message();
  first->reset();
  EXPECT_TRUE(lock_state_folder(root / "state"));
}

TEST_F(StateFolderTest, AFolderThatOthersCanWriteIsRefusedWithTheMend) {
  fs::create_directory(root / "open");
  fs::permissions(root / "open", fs::perms(0777));
  const auto lock = lock_state_folder(root / "open");
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().message().find("chmod go-w"), std::string::npos) << lock.error().message();
}

TEST_F(StateFolderTest, ALockFileThatIsALinkIsRefused) {
  fs::create_directory(root / "linked");
  fs::permissions(root / "linked", fs::perms(0700));
  fs::create_symlink(root / "elsewhere", root / "linked/p2pd.lock");
  EXPECT_FALSE(lock_state_folder(root / "linked"));
  EXPECT_FALSE(fs::exists(root / "elsewhere"));
}

TEST_F(StateFolderTest, AFileInItsPlaceIsRefused) {
  fs::create_directory(root / "x");
  std::fclose(std::fopen((root / "x/file").c_str(), "w"));
  EXPECT_FALSE(lock_state_folder(root / "x/file"));
}

}  // namespace
}  // namespace p2pd::daemon
