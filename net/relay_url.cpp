#include "net/relay_url.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "net/relay_error.hpp"
#include "net/url_authority.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {
namespace {

constexpr std::size_t kMaxPath = 1'024;

base::Error bad_url(std::string_view text, std::string_view why) {
  return {make_error_code(RelayError::bad_url), fmt::format("\"{}\" is not a relay's URL, {}", text, why)};
}

bool is_path(std::string_view path) {
  return path.size() <= kMaxPath && std::all_of(path.begin(), path.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '"' && c != '\\';
         });
}

std::uint16_t default_port(bool tls) { return tls ? 443 : 80; }

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

  UrlAuthority at = parse_url_authority(authority);
  if (!at.fault.empty()) return bad_url(text, at.fault);
  url.host = std::move(at.host);
  url.port = at.port.value_or(default_port(url.tls));
  return url;
}

std::string RelayUrl::text() const {
  std::string out = (tls ? "wss://" : "ws://") + url_host(host);
  if (port != default_port(tls)) out += fmt::format(":{}", port);
  if (path != proto::kRelayPath) out += path;
  return out;
}

std::string RelayUrl::authority() const { return fmt::format("{}:{}", url_host(host), port); }

}  // namespace p2pd::net
