#include "daemon/service_target.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "daemon/errors.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace p2pd::daemon {
namespace {

TEST(ServiceTarget, IsReadAndWrittenAlike) {
  for (const std::string text : {"tcp:127.0.0.1:22", "tcp:[::1]:8080", "tcp:localhost:80",
                                 "tcp:192.168.1.7:443", "unix:/run/some where/x.sock"}) {
    const auto target = parse_service_target(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->text(), text);
    EXPECT_FALSE(target->endpoints().empty());
  }
  EXPECT_EQ(parse_service_target("tcp:localhost:80")->endpoints().size(), 2U);
}

TEST(ServiceTarget, SaysWhatIsWrong) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "neither"},
           {"22", "neither"},
           {"udp:127.0.0.1:22", "neither"},
           {"tcp:127.0.0.1", "no port"},
           {"tcp::22", "no host"},
           {"tcp:127.0.0.1:0", "not a port"},
           {"tcp:127.0.0.1:99999", "not a port"},
           {"tcp:example.org:80", "names are not looked up"},
           {"tcp:127.1:80", "names are not looked up"},
           {"tcp:0.0.0.0:80", "nothing can be reached"},
           {"tcp:[::]:80", "nothing can be reached"},
           {"tcp:224.0.0.1:80", "nothing can be reached"},
           {"tcp:255.255.255.255:80", "nothing can be reached"},
           {"unix:", "whole path"},
           {"unix:x.sock", "whole path"},
           {"unix:/" + std::string(200, 'x'), "at most"},
           {std::string("unix:/a\nb"), "control characters"},
           {std::string("unix:/a\0b", 9), "control characters"}}) {
    const auto target = parse_service_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_NE(to_api_error(target.error()).message.find(words), std::string::npos)
        << text << ": " << to_api_error(target.error()).message;
  }
}

class UnixTarget : public testing::Test {
 protected:
  base::Descriptor listen_at(const std::string& path) {
    base::Descriptor out(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return out;
  }
  static ErrorCode code(const base::Result<void>& result) { return to_api_error(result.error()).code; }

  fakes::TempFolder folder;
};

TEST_F(UnixTarget, IsItsOwners) {
  const std::string path = folder / "x.sock";
  EXPECT_TRUE(check_unix_target(path, 4711, "/none"));  // nothing there yet
  const base::Descriptor socket = listen_at(path);
  EXPECT_TRUE(check_unix_target(path, ::geteuid(), "/none"));
  EXPECT_TRUE(check_unix_target(path, 0, "/none"));
  const auto other = check_unix_target(path, 4711, "/none");
  ASSERT_FALSE(other);
  EXPECT_EQ(code(other), ErrorCode::not_permitted);
}

TEST_F(UnixTarget, IsASocketAndNotTheDaemonsByAnyName) {
  const std::string file = folder / "file";
  std::ofstream(file) << "x";
  const auto plain = check_unix_target(file, ::geteuid(), "/none");
  ASSERT_FALSE(plain);
  EXPECT_EQ(code(plain), ErrorCode::invalid_params);
  const std::string own = folder / "p2pd.sock";
  const base::Descriptor socket = listen_at(own);
  std::filesystem::create_symlink(own, folder / "link");
  for (const std::string& name :
       {own, (folder / "link").string(), (folder.path() / "." / "p2pd.sock").string()}) {
    const auto refused = check_unix_target(name, 0, own);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(code(refused), ErrorCode::not_permitted);
  }
}

}  // namespace
}  // namespace p2pd::daemon
