#include "relay/options.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include <boost/asio/ip/address.hpp>
#include <boost/program_options.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/log.hpp"
#include "base/nearest.hpp"

namespace p2pd::relay {
namespace {

namespace po = boost::program_options;
using Texts = std::vector<std::string>;

constexpr const char* kSystemConfig = "/etc/p2pd/p2p-relay.conf";
constexpr std::string_view kEnvironmentPrefix = "P2P_RELAY_";

base::Error wrong(std::string sentence) { return {boost::system::error_code(), std::move(sentence)}; }

constexpr const char* kSystemState = "/var/lib/p2p-relay";

std::string default_state_dir() {
  // systemd.exec(5): where the unit has StateDirectory=.
  if (const char* given = std::getenv("STATE_DIRECTORY"); given != nullptr && *given == '/') return given;
  if (::geteuid() == 0) return kSystemState;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::string(state) + "/p2p-relay";
  }
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr ? "" : home) + "/.local/state/p2p-relay";
}

// One row for every option of the configuration file: the command line, the environment, --print-config and
// etc/p2p-relay.conf all follow it.
po::options_description file_options() {
  const Limits limits;
  po::options_description out("Options, also of the configuration file");
  const auto text = [](const std::string& fallback) {
    return po::value<std::string>()->default_value(fallback);
  };
  const auto number = [](auto fallback) {
    return po::value<std::string>()->default_value(fmt::format("{}", fallback));
  };
  // clang-format off
  out.add_options()
      ("state-dir", text(default_state_dir())->value_name("DIR"), "where the relay's own key is kept")
      ("listen", po::value<Texts>()->default_value({"0.0.0.0:8080"}, "0.0.0.0:8080")->value_name("ADDR:PORT"),
       "accept clients here; repeatable; port 0: the system chooses")
      ("stun-listen", po::value<Texts>()->default_value({}, "")->value_name("ADDR:PORT"),
       "answer STUN here (UDP); repeatable; two that differ in address and port answer RFC 5780 too")
      ("tls-cert", text("")->value_name("FILE"), "certificate with its chain (PEM); with it clients use wss://")
      ("tls-key", text("")->value_name("FILE"), "the certificate's key (PEM)")
      ("public-url", po::value<Texts>()->default_value({}, "")->value_name("URL"),
       "how clients write this relay; repeatable; with it a hello meant for another URL is refused")
      ("access", text("open")->value_name("RULE"),
       "whom to serve: open, allow:FILE (a peer ID a line), token:FILE (a token a line)")
      ("metrics", text("")->value_name("ADDR:PORT"), "serve /metrics (Prometheus) and /healthz here, over HTTP")
      ("max-clients", number(limits.max_clients)->value_name("N"), "clients at a time")
      ("max-startups", text("500:30:4000")->value_name("START:RATE:FULL"),
       "drop new connections at random, RATE % from START unauthenticated ones on, all at FULL")
      ("max-payload", number(limits.max_payload)->value_name("BYTES"), "largest packet")
      ("max-interest", number(limits.max_interest)->value_name("N"), "peers a client may ask the presence of")
      ("queue-packets", number(limits.queue_packets)->value_name("N"), "packets waiting for one client")
      ("queue-bytes", number(limits.queue_bytes)->value_name("BYTES"), "bytes waiting for one client")
      ("rate-packets", number(limits.rate_packets)->value_name("N"), "packets a second from one key; 0: no limit")
      ("rate-bytes", number(limits.rate_bytes)->value_name("BYTES"), "bytes a second from one key; 0: no limit")
      ("rate-address-factor", number(limits.address_factor)->value_name("N"),
       "how many keys' worth one address (/32, /64) may send")
      ("rate-handshakes", number(limits.rate_handshakes)->value_name("N"),
       "new connections a second from one address; 0: no limit")
      ("rate-stun", number(limits.rate_stun)->value_name("N"), "STUN requests a second from one address; 0: no limit")
      ("log-level", text("info")->value_name("LEVEL"), "error, warn, info or debug");
  // clang-format on
  return out;
}

po::options_description program_options() {
  po::options_description out("Program");
  // clang-format off
  out.add_options()
      ("config", po::value<std::string>()->value_name("FILE"), "configuration file (INI)")
      ("check-config", "check the configuration and the files it names, then exit")
      ("print-config", "print the configuration in effect, then exit")
      ("version", "print the version, then exit")
      ("help,h", "print this, then exit");
  // clang-format on
  return out;
}

base::Result<boost::asio::ip::tcp::endpoint> parse_address(std::string_view option, std::string_view text) {
  const auto bad = [&] {
    return wrong(
        fmt::format("{} is \"{}\", use ADDRESS:PORT such as 0.0.0.0:8080 or [::]:8080", option, text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad();
  std::string host(text.substr(0, colon));
  const std::string_view port_text = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  boost::system::error_code bad_address;
  const auto address = boost::asio::ip::make_address(host, bad_address);
  if (bad_address || error != std::errc() || end != port_text.data() + port_text.size()) return bad();
  return boost::asio::ip::tcp::endpoint(address, port);
}

base::Result<net::RelayUrl> parse_public_url(std::string_view text) {
  auto url = net::RelayUrl::parse(text);
  if (!url) return base::Error(url.error().code, "public-url: " + url.error().context);
  return url;
}

template <class T>
base::Result<T> parse_number(std::string_view option, std::string_view text, T least, T most) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(out >= least && out <= most)) {  // so that NaN is refused
    return wrong(fmt::format("{} is \"{}\", use a number from {} to {}", option, text, least, most));
  }
  return out;
}

base::Result<Startups> parse_startups(std::string_view text) {
  const auto first = text.find(':');
  const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) {
    return wrong(fmt::format("max-startups is \"{}\", use START:RATE:FULL such as 500:30:4000", text));
  }
  const auto start = parse_number<std::size_t>("max-startups START", text.substr(0, first), 0, 1'000'000);
  if (!start) return start.error();
  const auto rate =
      parse_number<unsigned>("max-startups RATE", text.substr(first + 1, second - first - 1), 0, 100);
  if (!rate) return rate.error();
  const auto full = parse_number<std::size_t>("max-startups FULL", text.substr(second + 1), 1, 1'000'000);
  if (!full) return full.error();
  if (*full < *start) return wrong("max-startups FULL is less than START");
  return Startups{*start, *rate, *full};
}

// A name of the environment to an option's: P2P_RELAY_MAX_CLIENTS to max-clients; "" for any other.
std::string option_of(const std::string& variable, const po::options_description& known) {
  if (!variable.starts_with(kEnvironmentPrefix)) return "";
  std::string name = variable.substr(kEnvironmentPrefix.size());
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return known.find_nothrow(name, false) == nullptr ? "" : name;
}

// Collects the first error of many small steps.
class Reader {
 public:
  explicit Reader(const po::variables_map& values) : values_(values) {}

  std::string text(const char* option) const { return values_[option].as<std::string>(); }
  template <class T>
  void number(const char* option, T least, T most, T& into) {
    take(parse_number<T>(option, text(option), least, most), into);
  }
  template <class T>
  void take(base::Result<T> result, T& into) {
    if (result) {
      into = std::move(*result);
    } else if (!error_) {
      error_ = result.error();
    }
  }
  // Repeated, or several in one value with commas or blanks between them (the environment knows no
  // repetition).
  Texts texts(const char* option) const {
    Texts out;
    for (const std::string& value : values_[option].as<Texts>()) {
      for (std::size_t at = 0; at < value.size();) {
        const std::size_t end = std::min(value.find_first_of(", ", at), value.size());
        if (end > at) out.push_back(value.substr(at, end - at));
        at = end + 1;
      }
    }
    return out;
  }
  [[nodiscard]] const std::optional<base::Error>& error() const { return error_; }

 private:
  const po::variables_map& values_;
  std::optional<base::Error> error_;
};

void read_limits(Reader& reader, Limits& limits) {
  constexpr double kMaxRate = 1e12;
  reader.number<std::size_t>("max-clients", 1, 10'000'000, limits.max_clients);
  reader.take(parse_startups(reader.text("max-startups")), limits.startups);
  reader.number<std::size_t>("max-payload", 1'200, proto::kRelayMaxPayload, limits.max_payload);
  reader.number<std::size_t>("max-interest", 0, 65'535, limits.max_interest);
  reader.number<std::size_t>("queue-packets", 1, 1'000'000, limits.queue_packets);
  reader.number<std::size_t>("queue-bytes", proto::kRelayMaxFrame, std::size_t{1} << 30, limits.queue_bytes);
  reader.number<double>("rate-packets", 0, kMaxRate, limits.rate_packets);
  reader.number<double>("rate-bytes", 0, kMaxRate, limits.rate_bytes);
  reader.number<double>("rate-address-factor", 1, 1e6, limits.address_factor);
  reader.number<double>("rate-handshakes", 0, kMaxRate, limits.rate_handshakes);
  reader.number<double>("rate-stun", 0, kMaxRate, limits.rate_stun);
}

base::Result<Options> read_values(const po::variables_map& values) {
  Options options;
  Reader reader(values);
  options.state_dir = reader.text("state-dir");
  for (const std::string& text : reader.texts("listen")) {
    reader.take(parse_address("listen", text), options.server.listen.emplace_back());
  }
  for (const std::string& text : reader.texts("stun-listen")) {
    boost::asio::ip::tcp::endpoint endpoint;
    reader.take(parse_address("stun-listen", text), endpoint);
    options.server.stun_listen.emplace_back(endpoint.address(), endpoint.port());
  }
  if (const std::string metrics = reader.text("metrics"); !metrics.empty()) {
    reader.take(parse_address("metrics", metrics), options.server.metrics.emplace());
  }
  options.server.tls_certificate = reader.text("tls-cert");
  options.server.tls_key = reader.text("tls-key");
  for (const std::string& text : reader.texts("public-url")) {
    reader.take(parse_public_url(text), options.server.public_urls.emplace_back());
  }
  options.server.access = reader.text("access");
  read_limits(reader, options.server.limits);
  const auto level = base::log::parse_level(reader.text("log-level"));
  if (level) options.log_level = *level;
  if (reader.error()) return *reader.error();
  if (!level)
    return wrong(
        fmt::format("log-level is \"{}\", use error, warn, info or debug", reader.text("log-level")));
  if (options.server.listen.empty()) return wrong("listen is empty, give it at least one ADDRESS:PORT");
  if (options.server.tls_certificate.empty() != options.server.tls_key.empty()) {
    return wrong("tls-cert and tls-key go together: give both, or neither for plain ws://");
  }
  return options;
}

OptionRow to_row(const po::option_description& option, bool command_line_only) {
  OptionRow row;
  row.name = option.long_name();
  row.help = option.description();
  row.command_line_only = command_line_only;
  row.repeatable = dynamic_cast<const po::typed_value<Texts>*>(option.semantic().get()) != nullptr;
  if (option.semantic()->max_tokens() == 0) return row;
  // "FILE", or "FILE (=default)".
  const std::string shown = option.semantic()->name();
  const std::size_t end = shown.find(" (=");
  row.argument = shown.substr(0, end);
  if (end != std::string::npos) row.default_text = shown.substr(end + 3, shown.size() - end - 4);
  // The same text on every machine.
  if (row.name == "state-dir") row.default_text = kSystemState;
  return row;
}

// About a name that is no option's.
std::string unknown_name(const po::unknown_option& error, const po::options_description& known,
                         std::string_view prefix) {
  const std::string name = error.get_option_name();
  std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  bare = bare.substr(0, bare.find('='));
  std::vector<std::string_view> names;
  for (const auto& option : known.options()) names.push_back(option->long_name());
  return fmt::format("{} is not an option{}", base::log::escape(std::string(prefix) + bare),
                     base::did_you_mean(bare, names, prefix));
}

base::Result<> read_file(const std::string& file, const po::options_description& known,
                         po::variables_map& values) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    return base::errno_error(EISDIR, fmt::format("configuration file \"{}\"", file));
  }
  std::ifstream in(file);
  if (!in) return base::errno_error(errno, fmt::format("configuration file \"{}\"", file));
  try {
    po::store(po::parse_config_file(in, known), values);
  } catch (const po::unknown_option& error) {
    return wrong(fmt::format("{}: {}; see p2p-relay --help", file, unknown_name(error, known, "")));
  } catch (const po::error& error) {
    return wrong(fmt::format("{}: {}", file, error.what()));
  }
  return {};
}

}  // namespace

std::vector<OptionRow> option_table() {
  const po::options_description in_file = file_options();
  const po::options_description typed = program_options();
  std::vector<OptionRow> out;
  for (const auto& option : in_file.options()) out.push_back(to_row(*option, false));
  for (const auto& option : typed.options()) out.push_back(to_row(*option, true));
  return out;
}

base::Result<Options> parse_options(int argc, const char* const argv[]) {
  const po::options_description in_file = file_options();
  po::options_description all;
  all.add(program_options()).add(in_file);
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv)
                  .options(all)
                  .positional(po::positional_options_description())
                  .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                  .run(),
              values);
    po::options_description from_environment;
    from_environment.add(in_file).add_options()("config", po::value<std::string>(), "");
    po::store(po::parse_environment(
                  from_environment,
                  [&](const std::string& variable) { return option_of(variable, from_environment); }),
              values);
  } catch (const po::unknown_option& error) {
    return wrong(unknown_name(error, all, "--") + "; see p2p-relay --help");
  } catch (const po::error& error) {
    return wrong(std::string(error.what()) + "; see p2p-relay --help");
  }
  const auto given = [&](const char* option) { return values.count(option) > 0; };
  Options options;
  if (given("help") || given("version")) {
    options.action = given("help") ? Options::Action::print_help : Options::Action::print_version;
    return options;
  }
  std::string file;
  if (given("config")) {
    file = values["config"].as<std::string>();
  } else if (std::filesystem::exists(kSystemConfig)) {
    file = kSystemConfig;
  }
  if (!file.empty()) {
    if (auto read = read_file(file, in_file, values); !read) return read.error();
  }
  auto read = read_values(values);
  if (!read) return read.error();
  options = std::move(*read);
  if (given("check-config")) options.action = Options::Action::check_config;
  if (given("print-config")) options.action = Options::Action::print_config;
  return options;
}

std::string help_text() {
  po::options_description all;
  all.add(program_options()).add(file_options());
  std::ostringstream out;
  out << "Usage: p2p-relay [OPTION]...\n"
         "Forwards encrypted packets between p2pd peers that cannot reach each other directly, and answers "
         "STUN.\n"
         "It can neither read nor forge what it forwards. Command line over environment (P2P_RELAY_<OPTION>) "
         "over\n"
         "file over default. SIGHUP reads the access and TLS files again, SIGTERM says goodbye and stops.\n\n"
      << all;
  return out.str();
}

std::string to_config_text(const Options& options) {
  const ServerConfig& server = options.server;
  const Limits& limits = server.limits;
  std::string out;
  const auto line = [&out](std::string_view option, const auto& value) {
    out += fmt::format("{} = {}\n", option, value);
  };
  line("state-dir", options.state_dir);
  for (const auto& endpoint : server.listen) line("listen", to_text(endpoint.address(), endpoint.port()));
  for (const auto& endpoint : server.stun_listen)
    line("stun-listen", to_text(endpoint.address(), endpoint.port()));
  line("tls-cert", server.tls_certificate);
  line("tls-key", server.tls_key);
  for (const net::RelayUrl& url : server.public_urls) line("public-url", url.text());
  line("access", server.access);
  line("metrics", server.metrics ? to_text(server.metrics->address(), server.metrics->port()) : "");
  line("max-clients", limits.max_clients);
  line("max-startups",
       fmt::format("{}:{}:{}", limits.startups.start, limits.startups.rate, limits.startups.full));
  line("max-payload", limits.max_payload);
  line("max-interest", limits.max_interest);
  line("queue-packets", limits.queue_packets);
  line("queue-bytes", limits.queue_bytes);
  line("rate-packets", limits.rate_packets);
  line("rate-bytes", limits.rate_bytes);
  line("rate-address-factor", limits.address_factor);
  line("rate-handshakes", limits.rate_handshakes);
  line("rate-stun", limits.rate_stun);
  line("log-level", base::log::to_string(options.log_level));
  return out;
}

}  // namespace p2pd::relay
