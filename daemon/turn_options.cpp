#include "daemon/turn_options.hpp"

#include <vector>

#include <fmt/format.h>

#include "base/line_file.hpp"

namespace p2pd::daemon {
namespace {

using base::Result;

constexpr std::uint16_t kTurnPort = 3478;  // RFC 8656 section 3.1
constexpr std::size_t kMaxWord = 508;      // RFC 8489 14.3: a USERNAME is shorter than 509 bytes

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return out;
    const auto end = text.find_first_of(" \t", begin);
    out.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end);
  }
}

}  // namespace

Result<TurnUri> TurnUri::parse(std::string_view text) {
  constexpr std::string_view kScheme = "turn:";
  constexpr std::string_view kTransport = "?transport=";
  if (text.starts_with("turns:"))
    return invalid(fmt::format("'{}': TURN over TLS is not supported; write turn:", text));
  if (!text.starts_with(kScheme) || text.starts_with("turn://"))
    return invalid(fmt::format("'{}' is not turn:HOST:PORT", text));
  TurnUri out;
  std::string_view rest = text.substr(kScheme.size());
  if (const auto query = rest.find('?'); query != std::string_view::npos) {
    const std::string_view transport = rest.substr(query);
    if (transport != "?transport=udp" && transport != "?transport=tcp")
      return invalid(fmt::format("'{}': behind the '?' can stand transport=udp or transport=tcp", text));
    out.tcp = transport.substr(kTransport.size()) == "tcp";
    rest = rest.substr(0, query);
  }
  auto server = parse_host_port(rest, kTurnPort);
  if (!server) return server.error();
  out.server = std::move(*server);
  return out;
}

std::string TurnUri::text() const {
  return fmt::format("turn:{}?transport={}", server.text(), tcp ? "tcp" : "udp");
}

Result<TurnSecret> read_turn_secret(const std::string& file) {
  const auto entries = base::read_line_file(file);
  if (!entries)
    return base::Error(entries.error().code, fmt::format("turn-secret-file: cannot read \"{}\"", file));
  if (entries->empty()) {
    return invalid(
        fmt::format("turn-secret-file: \"{}\" is empty; write the shared secret, or a user and a "
                    "password, on one line",
                    file));
  }
  const auto words = words_of(entries->front().text);
  const auto where = fmt::format("turn-secret-file: \"{}\" line {}", file, entries->front().line);
  if (words.size() > 2) {
    return invalid(
        fmt::format("{}: more than two words; write the shared secret, or a user and a password", where));
  }
  for (const std::string& word : words) {
    if (word.size() > kMaxWord)
      return invalid(fmt::format("{}: a word is longer than {} bytes", where, kMaxWord));
  }
  TurnSecret out;
  if (words.size() == 2) {
    out.user = words[0];
    out.password = words[1];
  } else {
    out.shared = words[0];
  }
  return out;
}

}  // namespace p2pd::daemon
