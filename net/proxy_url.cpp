#include "net/proxy_url.hpp"

#include <optional>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>

#include "net/url_authority.hpp"

namespace p2pd::net {
namespace {

constexpr std::uint16_t kSocksPort = 1080;  // RFC 1928 section 3
constexpr std::uint16_t kHttpPort = 8080;
constexpr std::size_t kMaxCredential = 255;  // RFC 1929 section 2

base::Error bad_url(std::string_view why) {
  return {make_error_code(boost::system::errc::invalid_argument),
          fmt::format("{}; write it as socks5://127.0.0.1:1080 or http://192.0.2.1:8080", why)};
}

// RFC 3986 section 2.1.
std::optional<std::string> percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]);
    const int low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

bool is_credential(const std::optional<std::string>& text) {
  return text && !text->empty() && text->size() <= kMaxCredential;
}

bool needs_no_query(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error || host == "localhost";
}

}  // namespace

base::Result<ProxyUrl> ProxyUrl::parse(std::string_view text) {
  ProxyUrl url;
  const auto scheme_end = text.find("://");
  const std::string_view scheme = text.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end);
  if (scheme == "socks5" || scheme == "socks5h") {
    url.kind = Kind::socks5;
  } else if (scheme == "http") {
    url.kind = Kind::http;
  } else {
    return bad_url("a proxy's URL must begin with socks5:// or http://");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return bad_url("a proxy's URL has no path, query or fragment");
  }
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view credentials = rest.substr(0, at);
    const auto colon = credentials.find(':');
    const auto user = percent_decoded(credentials.substr(0, colon));
    const auto password =
        percent_decoded(colon == std::string_view::npos ? "" : credentials.substr(colon + 1));
    if (!is_credential(user) || !is_credential(password) || user->find(':') != std::string::npos) {
      return bad_url(
          "before the '@' of a proxy's URL stands USER:PASSWORD, each 1 to 255 bytes, special characters "
          "written as %XX");
    }
    url.user = *user;
    url.password = *password;
    rest.remove_prefix(at + 1);
  }
  UrlAuthority at = parse_url_authority(rest);
  if (!at.fault.empty()) return bad_url(fmt::format("a proxy's URL is wrong: {}", at.fault));
  if (!needs_no_query(at.host)) {
    return bad_url(
        "a proxy is given by its address or as localhost, because asking for its name would be a DNS query "
        "outside it");
  }
  url.host = std::move(at.host);
  url.port = at.port.value_or(url.kind == Kind::socks5 ? kSocksPort : kHttpPort);
  return url;
}

std::string ProxyUrl::text() const {
  return fmt::format("{}://{}{}:{}", kind == Kind::socks5 ? "socks5" : "http", user.empty() ? "" : "***:***@",
                     url_host(host), port);
}

}  // namespace p2pd::net
