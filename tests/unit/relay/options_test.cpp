#include "relay/options.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/temp_folder.hpp"

namespace p2pd::relay {
namespace {

using testing::HasSubstr;

class RelayOptions : public testing::Test {
 protected:
  RelayOptions() { write_file(""); }
  ~RelayOptions() override {
    for (const std::string& name : environment_) ::unsetenv(name.c_str());
  }

  std::string file() const { return (folder_ / "relay.conf").string(); }
  void write_file(const std::string& text) { std::ofstream(file()) << text; }
  void set_environment(const std::string& name, const std::string& value) {
    environment_.push_back(name);
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  // Always with a file of the test's own, so that none of the machine's is read.
  base::Result<Options> parse(std::vector<const char*> arguments) {
    const std::string config = "--config=" + file();
    arguments.insert(arguments.begin(), {"p2p-relay", config.c_str()});
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
  }
  std::string error(std::vector<const char*> arguments) {
    const auto options = parse(std::move(arguments));
    return options ? "no error" : options.error().message();
  }

  fakes::TempFolder folder_;
  std::vector<std::string> environment_;
};

TEST_F(RelayOptions, HasDefaultsThatServe) {
  const auto options = parse({});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->action, Options::Action::serve);
  ASSERT_EQ(options->server.listen.size(), 1u);
  EXPECT_EQ(options->server.listen.front().port(), 8080);
  EXPECT_TRUE(options->server.stun_listen.empty());
  EXPECT_EQ(options->server.limits.max_clients, Limits().max_clients);
  EXPECT_EQ(options->server.limits.startups.full, Limits().startups.full);
}

TEST_F(RelayOptions, PutsCommandLineOverEnvironmentOverFile) {
  write_file("max-clients = 1\nmax-interest = 1\nqueue-packets = 1\nlisten = 127.0.0.1:1\n");
  set_environment("P2P_RELAY_MAX_CLIENTS", "2");
  set_environment("P2P_RELAY_MAX_INTEREST", "2");
  set_environment("P2P_RELAY_UNRELATED", "2");
  const auto options = parse({"--max-clients", "3"});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->server.limits.max_clients, 3u);
  EXPECT_EQ(options->server.limits.max_interest, 2u);
  EXPECT_EQ(options->server.limits.queue_packets, 1u);
  EXPECT_EQ(options->server.listen.front().port(), 1);
}

TEST_F(RelayOptions, TakesRepeatedAddresses) {
  const auto options = parse({"--listen", "127.0.0.1:1", "--listen=[::1]:2", "--stun-listen", "127.0.0.1:3"});
  ASSERT_TRUE(options) << options.error().message();
  ASSERT_EQ(options->server.listen.size(), 2u);
  EXPECT_TRUE(options->server.listen[1].address().is_v6());
  EXPECT_EQ(options->server.stun_listen.front().port(), 3);
  set_environment("P2P_RELAY_LISTEN", "127.0.0.1:1, 127.0.0.2:2");
  EXPECT_EQ(parse({})->server.listen.size(), 2u);
}

TEST_F(RelayOptions, NamesEveryMistake) {
  EXPECT_THAT(error({"--bogus"}), HasSubstr("--bogus"));
  EXPECT_THAT(error({"stray"}), HasSubstr("p2p-relay --help"));
  EXPECT_THAT(error({"--listen", "localhost:80"}), HasSubstr("listen is \"localhost:80\""));
  EXPECT_THAT(error({"--listen", "127.0.0.1:65536"}), HasSubstr("listen is"));
  EXPECT_THAT(error({"--listen", "127.0.0.1"}), HasSubstr("use ADDRESS:PORT"));
  EXPECT_THAT(error({"--max-clients", "many"}), HasSubstr("max-clients is \"many\", use a number from 1"));
  EXPECT_THAT(error({"--max-clients=-1"}), HasSubstr("max-clients"));
  EXPECT_THAT(error({"--max-payload", "16385"}), HasSubstr("from 1200 to 16384"));
  EXPECT_THAT(error({"--rate-bytes", "nan"}), HasSubstr("rate-bytes"));
  EXPECT_THAT(error({"--max-startups", "1:2"}), HasSubstr("START:RATE:FULL"));
  EXPECT_THAT(error({"--max-startups", "9:30:3"}), HasSubstr("FULL is less than START"));
  EXPECT_THAT(error({"--tls-cert", "x"}), HasSubstr("go together"));
  EXPECT_THAT(error({"--public-url", "https://relay.example"}),
              HasSubstr("public-url: \"https://relay.example\""));
  EXPECT_THAT(error({"--log-level", "loud"}), HasSubstr("use error, warn, info or debug"));
  write_file("listn = 127.0.0.1:1\n");
  EXPECT_THAT(error({}), HasSubstr("listn"));
  std::filesystem::remove(file());
  EXPECT_THAT(error({}), HasSubstr("configuration file"));
  std::filesystem::create_directory(file());
  EXPECT_THAT(error({}), HasSubstr("directory"));
}

TEST_F(RelayOptions, PrintsWhatGivesTheSameConfigurationAgain) {
  const auto first =
      parse({"--listen", "127.0.0.1:1", "--listen", "[::1]:2", "--metrics", "127.0.0.1:9", "--max-startups",
             "1:2:3", "--access", "token:/x", "--rate-packets", "0.5", "--public-url", "wss://Relay.example",
             "--public-url", "ws://[2001:db8::1]:8080"});
  ASSERT_TRUE(first) << first.error().message();
  write_file(to_config_text(*first));
  const auto second = parse({});
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(to_config_text(*second), to_config_text(*first));
}

TEST_F(RelayOptions, TheShippedFileNamesEveryOptionAtItsDefault) {
  std::ifstream shipped(P2PD_SOURCE_DIR "/etc/p2p-relay.conf");
  ASSERT_TRUE(shipped);
  std::string uncommented;
  for (std::string line; std::getline(shipped, line);) {
    // "#option = value" is a default; "# text" is text.
    if (line.starts_with('#') && !line.starts_with("# ") && line != "#") uncommented += line.substr(1) + "\n";
  }
  const auto defaults = parse({"--state-dir=/var/lib/p2p-relay"});
  ASSERT_TRUE(defaults);
  write_file(uncommented);
  const auto all = parse({});
  ASSERT_TRUE(all) << all.error().message();
  EXPECT_EQ(to_config_text(*all), to_config_text(*defaults));
  std::istringstream lines(to_config_text(*defaults));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_THAT("\n" + uncommented, HasSubstr("\n" + line.substr(0, line.find(' ') + 1)));
  }
  // Off by default and so not printed.
  EXPECT_THAT(uncommented, HasSubstr("stun-listen ="));
  EXPECT_THAT(uncommented, HasSubstr("public-url ="));
}

TEST_F(RelayOptions, TellsTheManualWhatItTakes) {
  std::map<std::string, OptionRow> rows;
  for (const OptionRow& row : option_table()) rows[row.name] = row;
  EXPECT_EQ(rows["listen"].argument, "ADDR:PORT");
  EXPECT_EQ(rows["listen"].default_text, "0.0.0.0:8080");
  EXPECT_TRUE(rows["listen"].repeatable);
  EXPECT_FALSE(rows["listen"].command_line_only);
  EXPECT_EQ(rows["tls-cert"].argument, "FILE");
  EXPECT_EQ(rows["tls-cert"].default_text, "");
  EXPECT_FALSE(rows["tls-cert"].repeatable);
  EXPECT_EQ(rows["state-dir"].default_text, "/var/lib/p2p-relay");
  EXPECT_EQ(rows["version"].argument, "");
  EXPECT_TRUE(rows["version"].command_line_only);
}

TEST_F(RelayOptions, KeepsItsKeyWhereSystemdSays) {
  set_environment("STATE_DIRECTORY", "/var/lib/elsewhere");
  EXPECT_EQ(parse({})->state_dir, "/var/lib/elsewhere");
}

TEST_F(RelayOptions, TheGuidesConfigurationIsTaken) {
  std::ifstream guide(P2PD_SOURCE_DIR "/docs/self-hosting.md");
  ASSERT_TRUE(guide);
  std::string line;
  while (std::getline(guide, line) && line != "    # /etc/p2pd/p2p-relay.conf") continue;
  std::string text;
  while (std::getline(guide, line) && line.starts_with("    ")) text += line.substr(4) + "\n";
  write_file(text);
  const auto options = parse({});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_THAT(options->server.public_urls, testing::SizeIs(1));
  EXPECT_TRUE(options->server.metrics);
}

TEST_F(RelayOptions, KnowsWhatToDoInsteadOfServing) {
  EXPECT_EQ(parse({"--help"})->action, Options::Action::print_help);
  EXPECT_EQ(parse({"--version"})->action, Options::Action::print_version);
  EXPECT_EQ(parse({"--check-config"})->action, Options::Action::check_config);
  EXPECT_EQ(parse({"--print-config"})->action, Options::Action::print_config);
  EXPECT_THAT(help_text(), HasSubstr("--max-startups"));
}

}  // namespace
}  // namespace p2pd::relay
