#include "daemon/options.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace p2pd::daemon {
namespace {

namespace fs = std::filesystem;

// An environment without any of ours, and a home of its own.
class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    std::string pattern = (fs::temp_directory_path() / "p2pd-options-XXXXXX").string();
    home = ::mkdtemp(pattern.data());
    ::setenv("XDG_CONFIG_HOME", home.c_str(), 1);
    ::setenv("XDG_STATE_HOME", home.c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", home.c_str(), 1);
    for (const char* name : {"P2PD_RELAY", "P2PD_LOG_LEVEL", "P2PD_WORKERS", "STATE_DIRECTORY"})
      ::unsetenv(name);
  }
  ~OptionsTest() override {
    fs::remove_all(home);
    ::unsetenv("P2PD_LOG_LEVEL");
    ::unsetenv("P2PD_RELAY");
  }

  base::Result<Options> read(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "p2pd");
    return read_options(static_cast<int>(arguments.size()), arguments.data());
  }
  void write(const fs::path& file, std::string_view text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  fs::path home;
};

TEST_F(OptionsTest, DefaultsAreTheUsersFolders) {
  const auto options = read({});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->state_dir, home / "p2pd");
  EXPECT_EQ(options->socket, home / "p2pd/p2pd.sock");
  EXPECT_TRUE(options->direct);
  EXPECT_TRUE(options->presence);
  EXPECT_FALSE(options->allow_loopback);
  EXPECT_EQ(options->workers, 1U);
}

TEST_F(OptionsTest, CommandLineOverEnvironmentOverFile) {
  write(home / "p2pd/p2pd.conf", "log-level = error\nworkers = 2\nrelay = ws://file.example\n");
  write(home / "p2pd/conf.d/10.conf", "workers = 3\n");
  ::setenv("P2PD_LOG_LEVEL", "warn", 1);
  ::setenv("P2PD_RELAY", "ws://one.example wss://two.example", 1);
  auto options = read({});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->log_level, base::log::Level::warn);
  EXPECT_EQ(options->workers, 3U);
  ASSERT_EQ(options->relays.size(), 2U);
  EXPECT_EQ(options->relays[1].host, "two.example");
  options = read({"--log-level", "debug", "--relay", "ws://three.example"});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->log_level, base::log::Level::debug);
  ASSERT_EQ(options->relays.size(), 1U);
  EXPECT_EQ(options->relays[0].host, "three.example");
}

TEST_F(OptionsTest, SwitchesWorkOnTheCommandLineAndInAFile) {
  EXPECT_TRUE(read({"--allow-loopback"})->allow_loopback);
  const fs::path file = home / "my.conf";
  write(file, "allow-loopback = on\ndirect = off\npresence = none\n");
  const auto options = read({"--config", file.c_str()});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_TRUE(options->allow_loopback);
  EXPECT_FALSE(options->direct);
  EXPECT_FALSE(options->presence);
}

TEST_F(OptionsTest, EveryWrongValueIsASentenceThatNamesTheOption) {
  struct Case {
    std::vector<const char*> arguments;
    const char* named;
  };
  for (const Case& wrong : {Case{{"--workers", "0"}, "workers"}, Case{{"--workers", "two"}, "workers"},
                            Case{{"--direct", "maybe"}, "direct"}, Case{{"--presence", "all"}, "presence"},
                            Case{{"--relay", "http://x"}, "relay"}, Case{{"--stun", "host:0"}, "stun"},
                            Case{{"--stun", "host:99999"}, "stun"}, Case{{"--stun", "::1:5"}, "stun"},
                            Case{{"--log-level", "loud"}, "log-level"}, Case{{"--nonsense"}, "nonsense"},
                            Case{{"--workers", "1", "--workers", "2"}, "workers"}, Case{{"extra"}, "extra"},
                            Case{{"--relay-ca", "/nowhere/ca.pem"}, "relay-ca"},
                            Case{{"--relay-token-file", "/nowhere/token"}, "relay-token-file"},
                            Case{{"--config", "/nowhere/p2pd.conf"}, "/nowhere/p2pd.conf"}}) {
    const auto options = read(wrong.arguments);
    ASSERT_FALSE(options) << wrong.named;
    EXPECT_NE(options.error().message().find(wrong.named), std::string::npos) << options.error().message();
  }
  EXPECT_FALSE(read({"--relay", "ws://a", "--relay", "ws://b", "--relay", "ws://c", "--relay", "ws://d"}));
}

TEST_F(OptionsTest, AFileWithAnUnknownOptionIsRefusedByName) {
  const fs::path file = home / "bad.conf";
  write(file, "colour = red\n");
  const auto options = read({"--config", file.c_str()});
  ASSERT_FALSE(options);
  EXPECT_NE(options.error().message().find("colour"), std::string::npos) << options.error().message();
  EXPECT_NE(options.error().message().find("bad.conf"), std::string::npos) << options.error().message();
}

TEST_F(OptionsTest, PrintedConfigurationReadsBackTheSame) {
  const auto options = read({"--relay", "wss://relay.example:8443", "--stun", "[2001:db8::1]:3479",
                             "--workers", "2", "--direct", "off", "--log-level", "debug"});
  ASSERT_TRUE(options) << options.error().message();
  const fs::path file = home / "printed.conf";
  write(file, print_config(*options));
  const auto again = read({"--config", file.c_str()});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(print_config(*again), print_config(*options));
  EXPECT_EQ(again->stun.at(0).port, 3479);
}

TEST_F(OptionsTest, TheTokenIsReadFromItsFileAndNeverPrinted) {
  const fs::path file = home / "token";
  write(file, "secret-token\n");
  const auto options = read({"--relay-token-file", file.c_str()});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->relay_token, "secret-token");
  EXPECT_EQ(print_config(*options).find("secret-token"), std::string::npos);
}

TEST_F(OptionsTest, TheTokenIsTheFirstEntryOfItsFile) {
  const fs::path file = home / "token";
  write(file, "# for the relay at home\r\n\n  secret#token \r\nanother\n");
  const auto options = read({"--relay-token-file", file.c_str()});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->relay_token, "secret#token");
}

TEST_F(OptionsTest, ATokenFileWithoutAUsableTokenIsNamed) {
  const fs::path file = home / "token";
  const auto why = [&] {
    const auto options = read({"--relay-token-file", file.c_str()});
    return options ? "no error" : options.error().message();
  };
  write(file, "# none\n");
  EXPECT_NE(why().find("holds no token"), std::string::npos) << why();
  write(file, std::string(2'000, 'x'));
  EXPECT_NE(why().find("longer than 1024 bytes"), std::string::npos) << why();
  EXPECT_EQ(why().find("xxx"), std::string::npos) << "a token is never shown";
}

TEST_F(OptionsTest, HelpNamesEveryOptionOfTheTable) {
  for (const OptionRow& row : option_table()) {
    EXPECT_NE(help_text().find("--" + std::string(row.name)), std::string::npos) << row.name;
  }
}

TEST(HostPort, IsReadInAllItsForms) {
  EXPECT_EQ(*parse_host_port("stun.example", 3478), (HostPort{"stun.example", 3478}));
  EXPECT_EQ(*parse_host_port("192.0.2.1:99", 3478), (HostPort{"192.0.2.1", 99}));
  EXPECT_EQ(*parse_host_port("[2001:db8::1]:99", 3478), (HostPort{"2001:db8::1", 99}));
  EXPECT_EQ(*parse_host_port("[2001:db8::1]", 3478), (HostPort{"2001:db8::1", 3478}));
  for (const char* bad :
       {"", ":5", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]5", "2001:db8::1"}) {
    EXPECT_FALSE(parse_host_port(bad, 3478)) << bad;
  }
}

}  // namespace
}  // namespace p2pd::daemon
