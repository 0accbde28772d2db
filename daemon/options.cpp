#include "daemon/options.hpp"

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "base/line_file.hpp"
#include "daemon/folders.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::daemon {
namespace {

namespace po = boost::program_options;
using base::Error;
using base::Result;
using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

constexpr OptionRow kTable[] = {
    {"config", "FILE", false, true, "", "configuration file; without it the usual places are tried"},
    {"state-dir", "DIR", false, false, "", "folder of the key and the database"},
    {"socket", "PATH", false, false, "", "Unix socket of the API"},
    {"relay", "URL", true, false, "", "relay to stay connected to, ws:// or wss://; at most 3"},
    {"relay-ca", "FILE", false, false, "",
     "PEM file of the authorities that relays' certificates are checked against, "
     "instead of the system's"},
    {"relay-token-file", "FILE", false, false, "", "file with the access token that the relays ask for"},
    {"stun", "HOST:PORT", true, false, "",
     "STUN server; without any, port 3478 of each relay's host is asked"},
    {"direct", "on|off", false, false, "on",
     "off: no UDP socket is opened and no address is told, all goes by relay"},
    {"presence", "contacts|none", false, false, "contacts",
     "whom the relays tell that this machine is online"},
    {"workers", "N", false, false, "1", "data-plane threads, 1 to 64"},
    {"allow-loopback", "", false, false, "",
     "use loopback addresses as candidates: to try two daemons on one machine"},
    {"log-level", "LEVEL", false, false, "info", "error, warn, info or debug"},
    {"check-config", "", false, true, "", "check the configuration, say what is wrong with it, and exit"},
    {"print-config", "", false, true, "", "print the configuration in force and exit"},
    {"help", "", false, true, "", "print this and exit"},
    {"version", "", false, true, "", "print the version and exit"},
};

Error invalid(std::string why) {
  return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

po::options_description described(bool command_line) {
  po::options_description out;
  for (const OptionRow& row : kTable) {
    if (row.command_line_only && !command_line) continue;
    const std::string name(row.name);
    if (!row.argument.empty()) {
      out.add_options()(name.c_str(), po::value<std::vector<std::string>>());
    } else if (command_line) {
      out.add_options()(name.c_str(),
                        po::value<std::vector<std::string>>()->zero_tokens()->implicit_value({"on"}, "on"));
    } else {
      out.add_options()(name.c_str(), po::value<std::vector<std::string>>());
    }
  }
  return out;
}

// What a source says replaces what a weaker source said, option by option.
Result<void> merge(const po::parsed_options& parsed, Values& values, std::string_view source) {
  Values found;
  for (const auto& option : parsed.options) {
    if (option.string_key.empty() || option.position_key >= 0) {
      return invalid(
          fmt::format("{}: '{}' is not an option; see p2pd --help", source, fmt::join(option.value, " ")));
    }
    auto& list = found[option.string_key];
    if (option.value.empty()) list.emplace_back("on");
    list.insert(list.end(), option.value.begin(), option.value.end());
  }
  for (auto& [name, list] : found) {
    for (const OptionRow& row : kTable) {
      if (row.name == name && !row.repeatable && list.size() > 1) {
        return invalid(
            fmt::format("{}: '{}' is given {} times, it can be given once", source, name, list.size()));
      }
    }
    values[name] = std::move(list);
  }
  return {};
}

Result<void> merge_file(const std::filesystem::path& file, Values& values) {
  std::ifstream in(file);
  if (!in)
    return base::errno_error(errno, fmt::format("cannot read the configuration file {}", file.string()));
  try {
    return merge(po::parse_config_file(in, described(false)), values, file.string());
  } catch (const po::error& error) {
    return invalid(fmt::format("{}: {}", file.string(), error.what()));
  }
}

Result<void> merge_environment(Values& values) {
  for (const OptionRow& row : kTable) {
    if (row.command_line_only && row.name != "config") continue;
    std::string name = "P2PD_";
    for (const char c : row.name) name.push_back(c == '-' ? '_' : static_cast<char>(std::toupper(c)));
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) continue;
    // Repeatable ones are separated by blanks.
    std::vector<std::string> list;
    if (row.repeatable) {
      std::istringstream words{std::string(value)};
      for (std::string word; words >> word;) list.push_back(word);
    } else {
      list.emplace_back(value);
    }
    values[std::string(row.name)] = std::move(list);
  }
  return {};
}

// Typed access to the merged values.
class Reader {
 public:
  explicit Reader(const Values& values) : values_(values) {}

  [[nodiscard]] std::optional<std::string> text(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.empty()) return std::nullopt;
    return found->second.front();
  }
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>{} : found->second;
  }
  [[nodiscard]] Result<bool> choice(std::string_view name, std::string_view yes, std::string_view no,
                                    bool otherwise) const {
    const auto value = text(name);
    if (!value) return otherwise;
    if (*value == yes) return true;
    if (*value == no) return false;
    return invalid(fmt::format("{} is '{}'; it can be {} or {}", name, *value, yes, no));
  }

 private:
  const Values& values_;
};

// The first entry counts, so that the relay's own token file is good here too.
Result<std::string> read_token(const std::string& file) {
  auto entries = base::read_line_file(file);
  if (!entries) return Error(entries.error().code, fmt::format("relay-token-file: cannot read \"{}\"", file));
  if (entries->empty()) {
    return invalid(fmt::format("relay-token-file: \"{}\" holds no token; write it on one line", file));
  }
  std::string& token = entries->front().text;
  if (token.size() > proto::kRelayMaxToken) {
    return invalid(fmt::format("relay-token-file: \"{}\" line {}: the token is longer than {} bytes", file,
                               entries->front().line, proto::kRelayMaxToken));
  }
  return std::move(token);
}

Result<void> read_network(const Reader& reader, Options& out) {
  for (const std::string& text : reader.list("relay")) {
    auto url = net::RelayUrl::parse(text);
    if (!url) return Error(url.error().code, fmt::format("relay: {}", url.error().context));
    out.relays.push_back(std::move(*url));
  }
  if (out.relays.size() > 3)
    return invalid(fmt::format("{} relays are given, at most 3 are used", out.relays.size()));
  for (const std::string& text : reader.list("stun")) {
    auto server = parse_host_port(text, 3478);
    if (!server) return Error(server.error().code, fmt::format("stun: {}", server.error().context));
    out.stun.push_back(std::move(*server));
  }
  out.relay_ca = reader.text("relay-ca").value_or("");
  if (!out.relay_ca.empty() && ::access(out.relay_ca.c_str(), R_OK) != 0) {
    return base::errno_error(errno, fmt::format("relay-ca: cannot read {}", out.relay_ca));
  }
  if (const auto file = reader.text("relay-token-file")) {
    auto token = read_token(*file);
    if (!token) return token.error();
    out.relay_token = std::move(*token);
  }
  return {};
}

Result<Options> interpret(const Values& values) {
  const Reader reader(values);
  Options out;
  const Folders folders = default_folders();
  out.system_service = folders.system_service;
  out.state_dir = reader.text("state-dir").value_or(folders.state.string());
  out.socket = reader.text("socket").value_or(folders.socket.string());
  if (out.state_dir.empty())
    return invalid("no state folder: set HOME or XDG_STATE_HOME, or give --state-dir");
  if (out.socket.empty()) return invalid("no place for the socket: set XDG_RUNTIME_DIR, or give --socket");
  if (auto done = read_network(reader, out); !done) return done.error();

  struct Switch {
    std::string_view name, yes, no;
    bool* target;
  };
  for (const Switch& row :
       {Switch{"direct", "on", "off", &out.direct}, Switch{"presence", "contacts", "none", &out.presence},
        Switch{"allow-loopback", "on", "off", &out.allow_loopback}}) {
    const auto value = reader.choice(row.name, row.yes, row.no, *row.target);
    if (!value) return value.error();
    *row.target = *value;
  }
  if (const auto text = reader.text("workers")) {
    char* end = nullptr;
    const long count = std::strtol(text->c_str(), &end, 10);
    if (text->empty() || *end != 0 || count < 1 || count > 64) {
      return invalid(fmt::format("workers is '{}'; it can be 1 to 64", *text));
    }
    out.workers = static_cast<unsigned>(count);
  }
  if (const auto text = reader.text("log-level")) {
    const auto level = base::log::parse_level(*text);
    if (!level) return invalid(fmt::format("log-level is '{}'; it can be error, warn, info or debug", *text));
    out.log_level = *level;
  }
  return out;
}

}  // namespace

std::span<const OptionRow> option_table() { return kTable; }

Result<HostPort> parse_host_port(std::string_view text, std::uint16_t default_port) {
  HostPort out;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return invalid(fmt::format("'{}' has a '[' without its ']'", text));
    out.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && !port.starts_with(':')) return invalid(fmt::format("'{}' is not HOST:PORT", text));
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const auto colon = text.rfind(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (out.host.find(':') != std::string::npos) {
      return invalid(fmt::format("'{}': write an IPv6 address as [ADDRESS]:PORT", text));
    }
  }
  if (out.host.empty()) return invalid(fmt::format("'{}' names no host", text));
  out.port = default_port;
  if (!port.empty() || text.ends_with(':')) {
    unsigned long value = 0;
    for (const char c : port)
      value = c >= '0' && c <= '9' && value < 100'000 ? value * 10 + (c - '0') : 1'000'000;
    if (port.empty() || value == 0 || value > 65'535) return invalid(fmt::format("'{}' is not a port", port));
    out.port = static_cast<std::uint16_t>(value);
  }
  return out;
}

Result<Options> read_options(int argc, const char* const* argv) {
  Values command_line;
  try {
    const auto style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(argc, argv).options(described(true)).style(style).run();
    if (auto merged = merge(parsed, command_line, "command line"); !merged) return merged.error();
  } catch (const po::error& error) {
    return invalid(fmt::format("{}; see p2pd --help", error.what()));
  }

  Values environment;
  if (auto merged = merge_environment(environment); !merged) return merged.error();
  const auto named = [&]() -> std::optional<std::string> {
    for (const Values* source : {&command_line, &environment}) {
      if (auto found = Reader(*source).text("config")) return found;
    }
    return std::nullopt;
  }();

  Values values;
  for (const auto& file : config_files(named)) {
    if (auto merged = merge_file(file, values); !merged) return merged.error();
  }
  for (const Values* source : {&environment, &command_line}) {
    for (const auto& [name, list] : *source) values[name] = list;
  }

  const Reader asked(command_line);
  auto out = interpret(values);
  using Action = Options::Action;
  for (const auto& [name, action] :
       {std::pair{"help", Action::help}, std::pair{"version", Action::version},
        std::pair{"check-config", Action::check_config}, std::pair{"print-config", Action::print_config}}) {
    if (!asked.text(name)) continue;
    // Help and version are given whatever is wrong with the rest.
    if (!out && (action == Action::help || action == Action::version)) out = Options{};
    if (out) out->action = action;
    break;
  }
  return out;
}

std::string help_text() {
  std::string out =
      "usage: p2pd [OPTION]...\nThe daemon: authenticated, encrypted channels to peers by name.\n\n";
  for (const OptionRow& row : kTable) {
    std::string left = fmt::format("  --{}{}{}", row.name, row.argument.empty() ? "" : " ", row.argument);
    if (row.repeatable) left += " ...";
    out += fmt::format("{:<30}{}{}\n", left, left.size() >= 30 ? " " : "", row.help);
    if (!row.default_text.empty()) out += fmt::format("{:<30}(default: {})\n", "", row.default_text);
  }
  out +=
      "\nEach option but --config, --check-config, --print-config can stand in the configuration file as "
      "name = value,\n"
      "and in the environment as P2PD_<NAME>. p2pd stays in the foreground and logs to standard error.\n";
  return out;
}

std::string print_config(const Options& options) {
  std::string out =
      fmt::format("state-dir = {}\nsocket = {}\n", options.state_dir.string(), options.socket.string());
  for (const auto& relay : options.relays) out += fmt::format("relay = {}\n", relay.text());
  if (!options.relay_ca.empty()) out += fmt::format("relay-ca = {}\n", options.relay_ca);
  if (!options.relay_token.empty()) out += "# relay-token-file: a token is set\n";
  for (const auto& server : options.stun) {
    const bool v6 = server.host.find(':') != std::string::npos;
    out += fmt::format(fmt::runtime(v6 ? "stun = [{}]:{}\n" : "stun = {}:{}\n"), server.host, server.port);
  }
  out += fmt::format("direct = {}\npresence = {}\nworkers = {}\nallow-loopback = {}\nlog-level = {}\n",
                     options.direct ? "on" : "off", options.presence ? "contacts" : "none", options.workers,
                     options.allow_loopback ? "on" : "off", base::log::to_string(options.log_level));
  return out;
}

}  // namespace p2pd::daemon
