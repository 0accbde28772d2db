#include "daemon/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::daemon {
namespace {

namespace fs = std::filesystem;

// An environment without any of ours, and a home of its own.
class OptionsTest : public testing::Test {
 protected:
  OptionsTest() {
    ::setenv("XDG_CONFIG_HOME", home.c_str(), 1);
    ::setenv("XDG_STATE_HOME", home.c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", home.c_str(), 1);
    for (const char* name : {"P2PD_RELAY", "P2PD_LOG_LEVEL", "P2PD_WORKERS", "STATE_DIRECTORY"})
      ::unsetenv(name);
  }
  ~OptionsTest() override {
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

  fakes::TempFolder folder;
  const fs::path& home = folder.path();
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

TEST_F(OptionsTest, FilesOfConfDFollowTheFileBesideThemInTheOrderOfTheirNames) {
  const fs::path file = home / "etc/my.conf";
  write(file, "workers = 2\nlog-level = error\nstun = a.example\nstun = b.example\n");
  write(home / "etc/conf.d/9.conf", "workers = 9\n");
  write(home / "etc/conf.d/20.conf", "workers = 20\nstun = c.example\n");
  write(home / "etc/conf.d/B.conf", "direct = off\n");
  write(home / "etc/conf.d/a.conf", "direct = on\n");
  write(home / "etc/conf.d/99.conf.bak", "workers = 99\n");
  const auto options = read({"--config", file.c_str()});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->workers, 9U) << "20 comes before 9";
  EXPECT_TRUE(options->direct) << "capitals come first";
  EXPECT_EQ(options->log_level, base::log::Level::error);
  ASSERT_EQ(options->stun.size(), 1U) << "a later file replaces all of an option's values";
  EXPECT_EQ(options->stun[0].host, "c.example");
  const fs::path conf_d = home / "etc/conf.d";
  EXPECT_EQ(options->files, (std::vector<fs::path>{file, conf_d / "20.conf", conf_d / "9.conf",
                                                   conf_d / "B.conf", conf_d / "a.conf"}));
}

TEST_F(OptionsTest, AnEmptyValueIsTheDefault) {
  const fs::path file = home / "etc/my.conf";
  write(file, "workers = 2\nrelay = ws://a.example\n");
  write(home / "etc/conf.d/1.conf", "workers =\nrelay =\n");
  const auto options = read({"--config", file.c_str(), "--log-level", ""});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->workers, 1U);
  EXPECT_TRUE(options->relays.empty());
}

TEST_F(OptionsTest, EveryMistakeOfAllSourcesIsToldWithItsPlace) {
  const fs::path file = home / "etc/my.conf";
  write(file,
        "# fine\nworkers = two\n\n[network]\nnonsense\ndirect = off # fine\nworkers = 3\nversion = on\n");
  write(home / "etc/conf.d/1.conf", "relay = http://x\ncolour = red\n");
  ::setenv("P2PD_LOG_LEVEL", "loud", 1);
  const auto options = read({"--config", file.c_str(), "--presence", "all"});
  ASSERT_FALSE(options);
  const std::string& all = options.error().context;
  const std::string name = file.string();
  const std::string extra = (home / "etc/conf.d/1.conf").string();
  for (const std::string& line :
       {name + ":2: workers is 'two'; it can be 1 to 64",
        name + ":4: [network] is not a line of the form NAME = VALUE",
        name + ":5: nonsense is not a line of the form NAME = VALUE",
        name + ":7: 'workers' is given twice, it can be given once",
        name + ":8: 'version' belongs on the command line",
        extra + ":1: relay: ", extra + ":2: colour is not an option",
        std::string("P2PD_LOG_LEVEL: log-level is 'loud'"), std::string("command line: presence is 'all'")}) {
    EXPECT_NE(all.find(line), std::string::npos) << line << "\nis not in\n" << all;
  }
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 8);
}

TEST_F(OptionsTest, AFileOrFolderThatCannotBeReadIsNotTakenForAMissingOne) {
  fs::create_directories(home / "p2pd/p2pd.conf");
  const auto options = read({});
  ASSERT_FALSE(options);
  EXPECT_NE(options.error().message().find("p2pd.conf"), std::string::npos) << options.error().message();
  fs::remove(home / "p2pd/p2pd.conf");
  write(home / "p2pd/conf.d/1.conf", "");
  fs::create_symlink(home / "nowhere", home / "p2pd/conf.d/2.conf");
  EXPECT_FALSE(read({}));
}

TEST_F(OptionsTest, TheShippedFileNamesEveryOptionAtItsDefault) {
  std::ifstream shipped(P2PD_SOURCE_DIR "/etc/p2pd.conf");
  ASSERT_TRUE(shipped);
  std::string uncommented;
  std::string comment;
  for (std::string line; std::getline(shipped, line); comment = line) {
    // "#option = value" is a default; "# text" is text, and says which options need a restart.
    if (!line.starts_with('#') || line.starts_with("# ") || line == "#") continue;
    uncommented += line.substr(1) + "\n";
    const std::string name = line.substr(1, line.find(' ') - 1);
    for (const OptionRow& row : option_table()) {
      if (row.name != name) continue;
      EXPECT_EQ(comment.ends_with("[restart]"), !row.live) << name;
      if (!row.default_text.empty()) {
        EXPECT_EQ(line, "#" + name + " = " + std::string(row.default_text));
      }
    }
  }
  for (const OptionRow& row : option_table()) {
    if (row.command_line_only) continue;
    EXPECT_NE(("\n" + uncommented).find("\n" + std::string(row.name) + " ="), std::string::npos) << row.name;
  }
  const std::vector<const char*> places = {"--state-dir",         "/var/lib/p2pd",  "--socket",
                                           "/run/p2pd/p2pd.sock", "--download-dir", "/var/lib/p2pd/files"};
  const auto defaults = read(places);
  ASSERT_TRUE(defaults) << defaults.error().message();
  const fs::path file = home / "shipped.conf";
  write(file, uncommented);
  const auto all = read({"--config", file.c_str()});
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(settings(*all), settings(*defaults));
}

TEST_F(OptionsTest, SettingsNameEveryOptionThatAFileCanHold) {
  const auto options = read({});
  ASSERT_TRUE(options) << options.error().message();
  std::vector<std::string_view> named;
  for (const Setting& setting : settings(*options)) named.push_back(setting.name);
  std::vector<std::string_view> rows;
  for (const OptionRow& row : option_table()) {
    if (!row.command_line_only) rows.push_back(row.name);
  }
  EXPECT_EQ(named, rows);
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
  for (const Case& wrong :
       {Case{{"--workers", "0"}, "workers"}, Case{{"--workers", "two"}, "workers"},
        Case{{"--direct", "maybe"}, "direct"}, Case{{"--proxy", "ftp://x"}, "proxy"},
        Case{{"--presence", "all"}, "presence"}, Case{{"--relay", "http://x"}, "relay"},
        Case{{"--stun", "host:0"}, "stun"}, Case{{"--stun", "host:99999"}, "stun"},
        Case{{"--stun", "::1:5"}, "stun"}, Case{{"--log-level", "loud"}, "log-level"},
        Case{{"--nonsense"}, "nonsense"}, Case{{"--workers", "1", "--workers", "2"}, "workers"},
        Case{{"extra"}, "extra"}, Case{{"--relay-ca", "/nowhere/ca.pem"}, "relay-ca"},
        Case{{"--relay-token-file", "/nowhere/token"}, "relay-token-file"},
        Case{{"--config", "/nowhere/p2pd.conf"}, "/nowhere/p2pd.conf"}}) {
    const auto options = read(wrong.arguments);
    ASSERT_FALSE(options) << wrong.named;
    EXPECT_NE(options.error().message().find(wrong.named), std::string::npos) << options.error().message();
  }
  EXPECT_FALSE(read({"--relay", "ws://a", "--relay", "ws://b", "--relay", "ws://c", "--relay", "ws://d"}));
}

TEST_F(OptionsTest, AProxyTurnsDirectOffUnlessItIsSetOn) {
  EXPECT_FALSE(read({"--proxy", "socks5://127.0.0.1"})->direct);
  EXPECT_TRUE(read({"--proxy", "socks5://127.0.0.1", "--direct", "on"})->direct);
  EXPECT_EQ(read({"--proxy", "http://u:p@[::1]:3128"})->proxy->password, "p");
}

TEST_F(OptionsTest, AProxysPasswordIsNeitherPrintedNorRepeatedInAnError) {
  EXPECT_EQ(print_config(*read({"--proxy", "http://user:secret@[::1]"})).find("secret"), std::string::npos);
  const auto wrong = read({"--proxy", "http://user:secret@proxy.example"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message().find("secret"), std::string::npos) << wrong.error().message();
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
