#include "net/relay_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/ip/address_v6.hpp>
#include <fmt/format.h>

#include "net/relay_error.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {
namespace {

constexpr std::size_t kMaxHost = 253;  // RFC 1035 2.3.4, without the root's dot
constexpr std::size_t kMaxPath = 1'024;

base::Error bad_url(std::string_view text, std::string_view why) {
  return {make_error_code(RelayError::bad_url), fmt::format("\"{}\" is not a relay's URL, {}", text, why)};
}

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHost && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

bool is_ipv6(std::string_view host) {
  boost::system::error_code error;
  boost::asio::ip::make_address_v6(std::string(host), error);
  return !error;
}

bool is_path(std::string_view path) {
  return path.size() <= kMaxPath && std::all_of(path.begin(), path.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '"' && c != '\\';
         });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::uint16_t default_port(bool tls) { return tls ? 443 : 80; }

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
}

// What stands before the first `mark`, and the rest from it on.
std::pair<std::string_view, std::string_view> split_before(std::string_view text, char mark) {
  const auto at = std::find(text.begin(), text.end(), mark);
  const auto before = static_cast<std::size_t>(at - text.begin());
  return {text.substr(0, before), text.substr(before)};
}

}  // namespace

base::Result<RelayUrl> RelayUrl::parse(std::string_view text) {
  RelayUrl url;
  std::string_view rest = text;
  if (rest.starts_with("wss://")) {
    url.tls = true;
    rest.remove_prefix(6);
  } else if (rest.starts_with("ws://")) {
    rest.remove_prefix(5);
  } else {
    return bad_url(text, "it must begin with ws:// or wss://");
  }
  if (rest.find_first_of("?#") != std::string_view::npos) {
    return bad_url(text, "it must have no query and no fragment");
  }
  const auto [authority, path] = split_before(rest, '/');
  if (!split_before(authority, '@').second.empty()) {
    return bad_url(text, "it must hold no user name; a token belongs into relay-token-file");
  }
  if (!is_path(path)) return bad_url(text, "its path is too long or has characters that must be escaped");
  url.path = path.empty() || path == "/" ? std::string(proto::kRelayPath) : std::string(path);

  std::string_view host;
  std::string_view after;
  if (authority.starts_with('[')) {
    const auto [address, closed] = split_before(authority.substr(1), ']');
    if (closed.empty()) return bad_url(text, "the bracket of its address is not closed");
    host = address;
    after = closed.substr(1);
    if (!is_ipv6(host)) return bad_url(text, "what is in its brackets is not an IPv6 address");
    // One spelling for one address.
    url.host = boost::asio::ip::make_address_v6(std::string(host)).to_string();
  } else {
    std::tie(host, after) = split_before(authority, ':');
    url.host = host;
    std::transform(url.host.begin(), url.host.end(), url.host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!is_host_name(url.host)) return bad_url(text, "it has no usable host name");
  }
  url.port = default_port(url.tls);
  if (!after.empty()) {
    const auto port = after.front() == ':' ? parse_port(after.substr(1)) : std::nullopt;
    if (!port) return bad_url(text, "its port must be a number from 1 to 65535");
    url.port = *port;
  }
  return url;
}

std::string RelayUrl::text() const {
  std::string out = (tls ? "wss://" : "ws://") + bracketed(host);
  if (port != default_port(tls)) out += fmt::format(":{}", port);
  if (path != proto::kRelayPath) out += path;
  return out;
}

std::string RelayUrl::authority() const { return fmt::format("{}:{}", bracketed(host), port); }

}  // namespace p2pd::net
