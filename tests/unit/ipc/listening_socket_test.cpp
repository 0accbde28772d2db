#include "ipc/listening_socket.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/fakes/api_server.hpp"
#include "tests/fakes/raw_client.hpp"

namespace p2pd::ipc {
namespace {

using fakes::RawClient;
using fakes::TempFolder;

class ListeningSocketTest : public ::testing::Test {
 protected:
  [[nodiscard]] static boost::system::error_code error_of(const std::string& path) {
    const base::Result<ListeningSocket> socket = ListeningSocket::open(path, 0600);
    return socket ? boost::system::error_code() : socket.error().code;
  }

  TempFolder folder_;
};

TEST_F(ListeningSocketTest, MakesTheLastFolderForUsAlone) {
  const std::string path = folder_ / "new/p2pd.sock";
  const base::Result<ListeningSocket> socket = ListeningSocket::open(path, 0600);
  ASSERT_TRUE(socket) << socket.error().message();
  struct stat about {};
  ASSERT_EQ(::stat((folder_ / "new").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  EXPECT_NO_THROW(RawClient client(path));
}

TEST_F(ListeningSocketTest, AFolderThatItMakesIsAsOpenAsTheSocket) {
  const mode_t before = ::umask(077);
  for (const auto& [socket_mode, folder_mode] : {std::pair{0660U, 0750U}, std::pair{0666U, 0755U}}) {
    const std::string folder = folder_ / std::to_string(socket_mode);
    const auto socket = ListeningSocket::open(folder + "/p2pd.sock", socket_mode, ::getegid());
    EXPECT_TRUE(socket) << socket.error().message();
    struct stat about {};
    EXPECT_EQ(::stat(folder.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, folder_mode);
    EXPECT_EQ(::stat((folder + "/p2pd.sock").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777U, socket_mode);
    EXPECT_EQ(about.st_gid, ::getegid());
  }
  ::umask(before);
}

TEST_F(ListeningSocketTest, AFolderThatIsThereKeepsItsMode) {
  ASSERT_EQ(::mkdir((folder_ / "there").c_str(), 0711), 0);
  const auto socket = ListeningSocket::open(folder_ / "there/p2pd.sock", 0660);
  ASSERT_TRUE(socket) << socket.error().message();
  struct stat about {};
  ASSERT_EQ(::stat((folder_ / "there").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0711U);
}

TEST_F(ListeningSocketTest, AGroupThatCannotBeGivenLeavesNoSocket) {
  if (::geteuid() == 0) GTEST_SKIP() << "root can give everything to everybody";
  ASSERT_EQ(::mkdir((folder_ / "there").c_str(), 0700), 0);
  const auto socket = ListeningSocket::open(folder_ / "there/p2pd.sock", 0660, gid_t{0});
  ASSERT_FALSE(socket);
  EXPECT_NE(socket.error().message().find("to the group 0"), std::string::npos) << socket.error().message();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "there/p2pd.sock"));
}

TEST_F(ListeningSocketTest, MakesNoFoldersAboveThat) {
  EXPECT_EQ(error_of(folder_ / "not/there/p2pd.sock").value(), ENOENT);
}

TEST_F(ListeningSocketTest, RefusesASecondOneWhileTheFirstLives) {
  const std::string path = folder_ / "p2pd.sock";
  {
    const base::Result<ListeningSocket> first = ListeningSocket::open(path, 0600);
    ASSERT_TRUE(first);
    EXPECT_EQ(error_of(path), SocketError::in_use);
    EXPECT_NO_THROW(RawClient client(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(error_of(path));
}

TEST_F(ListeningSocketTest, RefusesAPathWhereSomeoneListensWithoutTheLock) {
  const std::string path = folder_ / "p2pd.sock";
  const base::Result<ListeningSocket> first = ListeningSocket::open(path, 0600);
  ASSERT_TRUE(first);
  std::filesystem::remove(path + ".lock");
  EXPECT_EQ(error_of(path), SocketError::in_use);
}

TEST_F(ListeningSocketTest, ReplacesTheSocketOfADeadDaemon) {
  const std::string path = folder_ / "p2pd.sock";
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const base::Descriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(error_of(path));
}

TEST_F(ListeningSocketTest, LeavesFilesAlone) {
  const std::string path = folder_ / "precious";
  std::ofstream(path) << "data";
  EXPECT_EQ(error_of(path), SocketError::not_a_socket);
  std::filesystem::create_symlink(path, folder_ / "link");
  EXPECT_EQ(error_of(folder_ / "link"), SocketError::not_a_socket);
  EXPECT_EQ(std::filesystem::file_size(path), 4U);
}

TEST_F(ListeningSocketTest, RefusesAFolderThatOthersMayWriteTo) {
  for (const mode_t mode : {0777U, 0770U, 01777U}) {
    const std::string folder = folder_ / "open";
    std::filesystem::create_directory(folder);
    ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
    EXPECT_EQ(error_of(folder + "/p2pd.sock"), SocketError::folder_writable);
  }
}

TEST_F(ListeningSocketTest, DoesNotFollowALinkToAFolder) {
  std::filesystem::create_directory(folder_ / "real");
  std::filesystem::create_directory_symlink(folder_ / "real", folder_ / "link");
  EXPECT_TRUE(error_of(folder_ / "link/p2pd.sock"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "real/p2pd.sock"));
}

TEST_F(ListeningSocketTest, DoesNotFollowALinkToALockFile) {
  std::filesystem::create_symlink(folder_ / "elsewhere", folder_ / "p2pd.sock.lock");
  EXPECT_TRUE(error_of(folder_ / "p2pd.sock"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere"));
}

TEST_F(ListeningSocketTest, SaysThatAPathIsTooLong) {
  EXPECT_EQ(error_of(folder_ / std::string(120, 'x')), SocketError::path_too_long);
  EXPECT_EQ(error_of(""), SocketError::path_too_long);
}

TEST_F(ListeningSocketTest, LeavesASocketThatIsNoLongerItsOwn) {
  const std::string path = folder_ / "p2pd.sock";
  {
    const base::Result<ListeningSocket> socket = ListeningSocket::open(path, 0600);
    ASSERT_TRUE(socket);
    std::filesystem::rename(path, folder_ / "moved");
    std::ofstream(path) << "new";
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace p2pd::ipc
