// What p2pd can be told, in one table: the command line, the environment (P2PD_<OPTION>), the configuration
// files and the help text are all read from it. Command line over environment over file over default. Plain
// values, made at start-up and at each reload.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "daemon/host_port.hpp"
#include "daemon/turn_options.hpp"
#include "ipc/access.hpp"
#include "net/proxy_url.hpp"
#include "net/relay_url.hpp"

namespace p2pd::daemon {

struct Options {
  std::vector<std::filesystem::path> files;  // that were read, weakest first
  std::filesystem::path state_dir;
  std::filesystem::path socket;
  std::filesystem::path download_dir;         // of received files, absolute
  std::uint64_t file_quota = 256ULL << 30;    // bytes a peer may send in a day and have unfinished
  std::uint64_t disk_reserve = 256ULL << 20;  // bytes that received files leave free
  bool system_service = false;                // the system's folders are used, not a user's
  ipc::AccessRules access;                    // who besides this user and root may use the socket
  mode_t socket_mode = 0600;
  std::string socket_group;  // as it was named; empty: the process's own
  std::optional<gid_t> socket_gid;
  std::vector<net::RelayUrl> relays;
  std::string relay_ca;
  std::size_t relay_ca_content = 0;  // a hash of what is in the file, to see that it changed
  std::string relay_token_file;
  std::string relay_token;  // read from relay-token-file
  std::vector<HostPort> stun;
  std::vector<TurnUri> turn;
  std::string turn_secret_file;
  TurnSecret turn_secret;  // read from turn-secret-file
  bool port_mapping = true;
  std::optional<net::ProxyUrl> proxy;
  bool direct = true;    // without a word about it: not with a proxy
  bool presence = true;  // contacts (true) or none
  unsigned workers = 1;
  bool allow_loopback = false;
  base::log::Level log_level = base::log::Level::info;

  // What the command line asked for instead of running.
  enum class Action { run, check_config, print_config, help, version } action = Action::run;
};

struct OptionRow {
  std::string_view name;
  std::string_view argument;  // empty: a switch
  bool repeatable = false;
  bool command_line_only = false;
  std::string_view default_text;
  std::string_view help;
  bool live = false;  // a reload changes it; others need a restart
};
[[nodiscard]] std::span<const OptionRow> option_table();

// Reads all sources. The error's context has every mistake, each a line that names its place, the option,
// what is wrong with the value and what is allowed.
[[nodiscard]] base::Result<Options> read_options(int argc, const char* const* argv);
// Bytes: a number alone, or with K, M, G or T (powers of 1,024). Errors: not so, or over 2^60.
[[nodiscard]] base::Result<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string help_text();

// The options in force that a file can hold, in the table's order, each with its values as a file has them;
// an option that is not set has none. Of a secret, the file it comes from.
struct Setting {
  std::string_view name;
  std::vector<std::string> values;

  [[nodiscard]] bool operator==(const Setting&) const = default;
};
[[nodiscard]] std::vector<Setting> settings(const Options& options);
// The configuration in force as a configuration file.
[[nodiscard]] std::string print_config(const Options& options);

}  // namespace p2pd::daemon
