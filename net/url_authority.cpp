#include "net/url_authority.hpp"

#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address_v6.hpp>
#include <fmt/format.h>

namespace p2pd::net {
namespace {

constexpr std::size_t kMaxHost = 253;  // RFC 1035 2.3.4, without the root's dot

bool is_host_name(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHost && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

UrlAuthority faulty(std::string_view why) { return {"", std::nullopt, why}; }

}  // namespace

UrlAuthority parse_url_authority(std::string_view text) {
  UrlAuthority out;
  std::string_view after;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return faulty("the bracket of its address is not closed");
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address_v6(std::string(text.substr(1, close - 1)), error);
    if (error) return faulty("what is in its brackets is not an IPv6 address");
    out.host = address.to_string();
    after = text.substr(close + 1);
  } else {
    const auto colon = std::min(text.find(':'), text.size());
    out.host = text.substr(0, colon);
    after = text.substr(colon);
    std::transform(out.host.begin(), out.host.end(), out.host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (!is_host_name(out.host)) return faulty("it has no usable host name");
  }
  if (!after.empty()) {
    if (after.front() == ':') out.port = parse_port(after.substr(1));
    if (!out.port) return faulty("its port must be a number from 1 to 65535");
  }
  return out;
}

std::string url_host(const std::string& host) {
  return host.find(':') == std::string::npos ? host : fmt::format("[{}]", host);
}

}  // namespace p2pd::net
