#include "daemon/options.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/line_file.hpp"
#include "daemon/access_options.hpp"
#include "daemon/folders.hpp"
#include "daemon/option_reader.hpp"
#include "net/relay_tls.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::daemon {
namespace {

using base::Error;
using base::Result;
using Reader = OptionReader;

constexpr std::size_t kMaxRelays = 3;
// Each is asked for an allocation by each connection.
constexpr std::size_t kMaxTurn = 4;

constexpr OptionRow kTable[] = {
    {"config", "FILE", false, true, "", "configuration file; without it the usual places are tried"},
    {"state-dir", "DIR", false, false, "", "folder of the key and the database"},
    {"socket", "PATH", false, false, "", "Unix socket of the API"},
    {"socket-mode", "MODE", false, false, "",
     "who reaches the socket: 0600, this user; 0660, socket-group too; 0666, all. Without it 0600, for a "
     "system "
     "service 0660"},
    {"socket-group", "GROUP", false, false, "",
     "group of the socket, a name or a number; without it the process's own, for a system service p2pd"},
    {"read-user", "USER", true, false, "", "user, a name or a number, that may look at everything", true},
    {"read-group", "GROUP", true, false, "", "group whose members may do so", true},
    {"operate-user", "USER", true, false, "", "user that may also connect, send and receive", true},
    {"operate-group", "GROUP", true, false, "",
     "group whose members may do so; without it none, for a system service p2pd", true},
    {"admin-user", "USER", true, false, "", "user that may also change the address book and the daemon",
     true},
    {"admin-group", "GROUP", true, false, "", "group whose members may do so", true},
    {"relay", "URL", true, false, "", "relay to stay connected to, ws:// or wss://; at most 3", true},
    {"relay-ca", "FILE", false, false, "",
     "PEM file of the authorities that relays' certificates are checked against, "
     "instead of the system's",
     true},
    {"relay-token-file", "FILE", false, false, "", "file with the access token that the relays ask for",
     true},
    {"stun", "HOST:PORT", true, false, "",
     "STUN server; without any, port 3478 of each relay's host is asked", true},
    {"turn", "URI", true, false, "",
     "TURN server, turn:HOST:PORT, with ?transport=tcp where it is to be reached by TCP; at most 4", true},
    {"turn-secret-file", "FILE", false, false, "",
     "file with the secret shared with the TURN servers, or with a user and a password", true},
    {"proxy", "URL", false, false, "",
     "proxy for all relay sessions, socks5:// or http://; it finds the relays' names, and direct is off "
     "unless set on"},
    {"direct", "on|off", false, false, "on",
     "off: no UDP socket is opened and no address is told, all goes by relay", true},
    {"port-mapping", "on|off", false, false, "on",
     "have the gateway let peers in (PCP, NAT-PMP, UPnP); off, or direct off: it is not asked", true},
    {"presence", "contacts|none", false, false, "contacts",
     "whom the relays tell that this machine is online", true},
    {"download-dir", "DIR", false, false, "", "folder where received files are put"},
    {"file-quota", "SIZE", false, false, "256G",
     "what one peer may send in a day and have unfinished, together; K, M, G, T are powers of 1,024"},
    {"disk-reserve", "SIZE", false, false, "256M", "what received files leave free on their disk"},
    {"workers", "N", false, false, "1", "data-plane threads, 1 to 64"},
    {"allow-loopback", "", false, false, "off",
     "use loopback addresses as candidates: to try two daemons on one machine"},
    {"log-level", "LEVEL", false, false, "info", "error, warn, info or debug", true},
    {"check-config", "", false, true, "", "check the configuration, say what is wrong with it, and exit"},
    {"print-config", "", false, true, "", "print the configuration in force and exit"},
    {"help", "", false, true, "", "print this and exit"},
    {"version", "", false, true, "", "print the version and exit"},
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

void read_relay_files(Reader& reader, Options& out) {
  if (const auto file = reader.one("relay-ca")) {
    std::ifstream in(file->text, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    const auto usable = net::TlsContext::client(file->text);
    if (!usable) reader.wrong(*file, fmt::format("relay-ca: {}", usable.error().message()));
    out.relay_ca = file->text;
    out.relay_ca_content = std::hash<std::string>()(content);
  }
  if (const auto file = reader.one("relay-token-file")) {
    auto token = read_token(file->text);
    if (token) {
      out.relay_token = std::move(*token);
    } else {
      reader.wrong(*file, token.error().message());
    }
    out.relay_token_file = file->text;
  }
}

void read_turn(Reader& reader, Options& out) {
  for (const OptionValue& value : reader.list("turn")) {
    auto server = TurnUri::parse(value.text);
    if (server) {
      out.turn.push_back(std::move(*server));
    } else {
      reader.wrong(value, fmt::format("turn: {}", server.error().context));
    }
  }
  if (out.turn.size() > kMaxTurn)
    reader.wrong(fmt::format("{} TURN servers are given, at most {} are used", out.turn.size(), kMaxTurn));
  if (const auto file = reader.one("turn-secret-file")) {
    auto secret = read_turn_secret(file->text);
    if (secret) {
      out.turn_secret = std::move(*secret);
    } else {
      reader.wrong(*file, secret.error().message());
    }
    out.turn_secret_file = file->text;
  } else if (!out.turn.empty()) {
    reader.wrong("turn needs turn-secret-file: a file with the shared secret, or a user and a password");
  }
}

void read_network(Reader& reader, Options& out) {
  for (const OptionValue& value : reader.list("relay")) {
    auto url = net::RelayUrl::parse(value.text);
    if (!url) {
      reader.wrong(value, fmt::format("relay: {}", url.error().context));
    } else if (std::none_of(out.relays.begin(), out.relays.end(),
                            [&](const net::RelayUrl& known) { return known.text() == url->text(); })) {
      out.relays.push_back(std::move(*url));
    }
  }
  if (out.relays.size() > kMaxRelays)
    reader.wrong(fmt::format("{} relays are given, at most {} are used", out.relays.size(), kMaxRelays));
  for (const OptionValue& value : reader.list("stun")) {
    auto server = parse_host_port(value.text, 3478);
    if (server) {
      out.stun.push_back(std::move(*server));
    } else {
      reader.wrong(value, fmt::format("stun: {}", server.error().context));
    }
  }
  read_turn(reader, out);
  if (const auto value = reader.one("proxy")) {
    auto url = net::ProxyUrl::parse(value->text);
    if (url) {
      out.proxy = std::move(*url);
    } else {
      reader.wrong(*value, fmt::format("proxy: {}", url.error().context));
    }
  }
  read_relay_files(reader, out);
}

void read_places(Reader& reader, Options& out) {
  const Folders folders = default_folders();
  out.system_service = folders.system_service;
  const auto state = reader.one("state-dir");
  const auto socket = reader.one("socket");
  out.state_dir = state ? state->text : folders.state.string();
  out.socket = socket ? socket->text : folders.socket.string();
  if (out.state_dir.empty()) reader.wrong("no state folder: set HOME or XDG_STATE_HOME, or give --state-dir");
  if (out.socket.empty()) reader.wrong("no place for the socket: set XDG_RUNTIME_DIR, or give --socket");
}

void read_files(Reader& reader, Options& out) {
  const auto folder = reader.one("download-dir");
  out.download_dir = folder ? folder->text : default_folders().downloads.string();
  if (out.download_dir.empty()) out.download_dir = out.state_dir / "files";
  std::error_code failed;
  out.download_dir = std::filesystem::absolute(out.download_dir, failed);
  if (failed) reader.wrong(fmt::format("download-dir: {}", failed.message()));
  if (folder) {
    const auto status = std::filesystem::symlink_status(out.download_dir, failed);
    if (std::filesystem::is_symlink(status)) {
      reader.wrong(*folder, fmt::format("download-dir: {} is a link; name the folder itself", folder->text));
    } else if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) {
      reader.wrong(*folder, fmt::format("download-dir: {} is not a folder", folder->text));
    }
  }
  for (const auto& [name, target] :
       {std::pair{"file-quota", &out.file_quota}, std::pair{"disk-reserve", &out.disk_reserve}}) {
    const auto value = reader.one(name);
    if (!value) continue;
    const auto size = parse_size(value->text);
    if (size) {
      *target = *size;
    } else {
      reader.wrong(*value, fmt::format("{}: {}", name, size.error().context));
    }
  }
}

Options interpret(OptionSources& sources) {
  Reader reader(sources);
  Options out;
  out.files = sources.files;
  read_places(reader, out);
  read_access(reader, out);
  read_files(reader, out);
  read_network(reader, out);
  out.direct = !out.proxy;
  reader.choice("direct", "on", "off", out.direct);
  reader.choice("port-mapping", "on", "off", out.port_mapping);
  reader.choice("presence", "contacts", "none", out.presence);
  reader.choice("allow-loopback", "on", "off", out.allow_loopback);
  if (const auto value = reader.one("workers")) {
    const auto [end, error] =
        std::from_chars(value->text.data(), value->text.data() + value->text.size(), out.workers);
    if (error != std::errc() || *end != 0 || out.workers < 1 || out.workers > 64) {
      reader.wrong(*value, fmt::format("workers is '{}'; it can be 1 to 64", value->text));
    }
  }
  if (const auto value = reader.one("log-level")) {
    const auto level = base::log::parse_level(value->text);
    if (level) {
      out.log_level = *level;
    } else {
      reader.wrong(*value,
                   fmt::format("log-level is '{}'; it can be error, warn, info or debug", value->text));
    }
  }
  return out;
}

}  // namespace

std::span<const OptionRow> option_table() { return kTable; }

Result<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view kUnits = "KMGT";
  constexpr std::uint64_t kMost = 1ULL << 60;
  const auto fault = [text] {
    return invalid(fmt::format("'{}' is not a size: write bytes, or a number with K, M, G or T", text));
  };
  std::string_view digits = text;
  unsigned shift = 0;
  if (!digits.empty() && kUnits.find(digits.back()) != std::string_view::npos) {
    shift = 10 * (static_cast<unsigned>(kUnits.find(digits.back())) + 1);
    digits.remove_suffix(1);
  }
  std::uint64_t value = 0;
  if (digits.empty() || digits.size() > 19) return fault();
  for (const char c : digits) {
    if (c < '0' || c > '9') return fault();
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > kMost >> shift) return fault();
  return value << shift;
}

Result<Options> read_options(int argc, const char* const* argv) {
  OptionSources sources = read_option_sources(argc, argv);
  Options out = interpret(sources);
  using Action = Options::Action;
  for (const auto& [name, action] :
       {std::pair{"help", Action::help}, std::pair{"version", Action::version},
        std::pair{"check-config", Action::check_config}, std::pair{"print-config", Action::print_config}}) {
    if (!sources.command_line.contains(name)) continue;
    out.action = action;
    // Help and version are given whatever is wrong with the rest.
    if (action == Action::help || action == Action::version) return out;
    break;
  }
  if (!sources.errors.empty()) return invalid(fmt::format("{}", fmt::join(sources.errors, "\n")));
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

std::vector<Setting> settings(const Options& options) {
  std::vector<Setting> out;
  const auto given = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  };
  const auto texts = [](const auto& list) {
    std::vector<std::string> all;
    all.reserve(list.size());
    for (const auto& one : list) all.push_back(one.text());
    return all;
  };
  out.push_back({"state-dir", {options.state_dir.string()}});
  out.push_back({"socket", {options.socket.string()}});
  out.push_back({"socket-mode", {fmt::format("{:04o}", options.socket_mode)}});
  out.push_back({"socket-group", given(options.socket_group)});
  for (Setting& setting : access_settings(options.access)) out.push_back(std::move(setting));
  out.push_back({"relay", texts(options.relays)});
  out.push_back({"relay-ca", given(options.relay_ca)});
  out.push_back({"relay-token-file", given(options.relay_token_file)});
  out.push_back({"stun", texts(options.stun)});
  out.push_back({"turn", texts(options.turn)});
  out.push_back({"turn-secret-file", given(options.turn_secret_file)});
  out.push_back({"proxy", given(options.proxy ? options.proxy->text() : "")});
  out.push_back({"direct", {options.direct ? "on" : "off"}});
  out.push_back({"port-mapping", {options.port_mapping ? "on" : "off"}});
  out.push_back({"presence", {options.presence ? "contacts" : "none"}});
  out.push_back({"download-dir", {options.download_dir.string()}});
  out.push_back({"file-quota", {std::to_string(options.file_quota)}});
  out.push_back({"disk-reserve", {std::to_string(options.disk_reserve)}});
  out.push_back({"workers", {std::to_string(options.workers)}});
  out.push_back({"allow-loopback", {options.allow_loopback ? "on" : "off"}});
  out.push_back({"log-level", {std::string(base::log::to_string(options.log_level))}});
  return out;
}

std::string print_config(const Options& options) {
  std::string out;
  for (const Setting& setting : settings(options)) {
    for (const std::string& value : setting.values) out += fmt::format("{} = {}\n", setting.name, value);
  }
  return out;
}

}  // namespace p2pd::daemon
