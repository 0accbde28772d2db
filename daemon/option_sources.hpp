// Where p2pd's options come from: the command line, the environment (P2PD_<OPTION>), the configuration files,
// in falling strength. What a source says of an option replaces what weaker ones say of it; later files
// replace earlier ones. Every value remembers its place, so that an error can name it. Plain values; the
// thread that starts or reloads the daemon.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace p2pd::daemon {

struct OptionValue {
  std::string text;
  std::string place;  // "/etc/p2pd/p2pd.conf:12", "P2PD_RELAY", "command line"
};

struct OptionSources {
  std::map<std::string, std::vector<OptionValue>, std::less<>> values;  // by option
  std::map<std::string, std::vector<OptionValue>, std::less<>> command_line;
  std::vector<std::filesystem::path> files;  // that were read, weakest first
  std::vector<std::string> errors;           // every one, each a sentence with its place
};

// Only what is an option of option_table() and is given no more often than it may be.
[[nodiscard]] OptionSources read_option_sources(int argc, const char* const* argv);

}  // namespace p2pd::daemon
