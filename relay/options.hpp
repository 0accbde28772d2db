// p2p-relay's configuration: command line over environment (P2P_RELAY_<OPTION>) over file over default. A
// plain value.
#pragma once

#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "relay/server.hpp"

namespace p2pd::relay {

struct Options {
  enum class Action { serve, print_help, print_version, check_config, print_config };

  Action action = Action::serve;
  std::string state_dir;  // holds relay.key
  base::log::Level log_level = base::log::Level::info;
  ServerConfig server;
};

// What p2p-relay can be told, for the manual and for checks of etc/p2p-relay.conf.
struct OptionRow {
  std::string name;
  std::string argument;  // empty: a switch
  bool repeatable = false;
  bool command_line_only = false;
  std::string default_text;
  std::string help;
};
[[nodiscard]] std::vector<OptionRow> option_table();

// Errors are sentences that name the option and where it came from.
[[nodiscard]] base::Result<Options> parse_options(int argc, const char* const argv[]);
[[nodiscard]] std::string help_text();
// As a configuration file that gives the same configuration.
[[nodiscard]] std::string to_config_text(const Options& options);

}  // namespace p2pd::relay
