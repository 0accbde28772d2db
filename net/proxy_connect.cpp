#include "net/proxy_connect.hpp"

#include <array>
#include <span>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "base/bytes.hpp"
#include "net/relay_connect.hpp"
#include "net/relay_error.hpp"
#include "net/url_authority.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using base::Bytes;
using base::kAwait;
using base::Result;

constexpr std::size_t kMaxHttpAnswer = 8'192;
constexpr unsigned kProxyAuthenticationRequired = 407;

// RFC 1928 and RFC 1929.
constexpr std::uint8_t kVersion = 5;
constexpr std::uint8_t kNoAuthentication = 0;
constexpr std::uint8_t kUserPassword = 2;
constexpr std::uint8_t kUserPasswordVersion = 1;
constexpr std::uint8_t kConnect = 1;
constexpr std::uint8_t kIpv4 = 1;
constexpr std::uint8_t kName = 3;
constexpr std::uint8_t kIpv6 = 4;
constexpr std::size_t kMaxName = 255;

base::Error failed(const ProxyUrl& proxy, std::string_view what) {
  return {make_error_code(RelayError::proxy_failed), fmt::format("the proxy {} {}", proxy.text(), what)};
}
base::Error refused(const ProxyUrl& proxy, std::string_view what) {
  return {make_error_code(RelayError::proxy_refused), fmt::format("the proxy {} {}", proxy.text(), what)};
}

std::string_view socks_reply_text(std::uint8_t reply) {
  switch (reply) {  // RFC 1928 section 6
    case 1:
      return "failed";
    case 2:
      return "does not permit it";
    case 3:
      return "cannot reach the network";
    case 4:
      return "cannot reach the host, or does not find its name";
    case 5:
      return "was refused the connection";
    case 6:
      return "got no answer";
    case 7:
    case 8:
      return "cannot do that";
    default:
      return "gave an unknown answer";
  }
}

asio::awaitable<Result<>> write_all(tcp::socket& socket, Bytes bytes) {
  const auto [error, size] = co_await asio::async_write(socket, asio::buffer(bytes), kAwait);
  if (error) co_return base::Error(error, "the connection to the proxy is lost");
  co_return Result<>();
}

asio::awaitable<Result<>> read_all(tcp::socket& socket, std::span<std::uint8_t> into) {
  const auto [error, size] =
      co_await asio::async_read(socket, asio::buffer(into.data(), into.size()), kAwait);
  if (error == asio::error::eof) {
    co_return base::Error(make_error_code(RelayError::proxy_failed), "the proxy closed the connection");
  }
  if (error) co_return base::Error(error, "the connection to the proxy is lost");
  co_return Result<>();
}

void append(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }
void append_sized(Bytes& out, std::string_view text) {
  out.push_back(static_cast<std::uint8_t>(text.size()));
  append(out, text);
}

asio::awaitable<Result<>> socks_authenticate(tcp::socket& socket, const ProxyUrl& proxy) {
  Bytes greeting{kVersion, 1, kNoAuthentication};
  if (!proxy.user.empty()) greeting = {kVersion, 2, kNoAuthentication, kUserPassword};
  if (auto sent = co_await write_all(socket, std::move(greeting)); !sent) co_return sent;
  std::array<std::uint8_t, 2> answer{};
  if (auto read = co_await read_all(socket, answer); !read) co_return read;
  if (answer[0] != kVersion) co_return failed(proxy, "does not speak SOCKS 5");
  if (answer[1] == kNoAuthentication) co_return Result<>();
  if (answer[1] != kUserPassword || proxy.user.empty()) {
    co_return refused(proxy, "wants another proof of who asks");
  }
  Bytes credentials{kUserPasswordVersion};
  append_sized(credentials, proxy.user);
  append_sized(credentials, proxy.password);
  if (auto sent = co_await write_all(socket, std::move(credentials)); !sent) co_return sent;
  if (auto read = co_await read_all(socket, answer); !read) co_return read;
  if (answer[1] != 0) co_return refused(proxy, "does not accept the user name and password");
  co_return Result<>();
}

Bytes socks_request(const std::string& host, std::uint16_t port) {
  Bytes out{kVersion, kConnect, 0};
  boost::system::error_code is_name;
  const auto address = asio::ip::make_address(host, is_name);
  if (is_name) {
    out.push_back(kName);
    append_sized(out, host);
  } else if (address.is_v4()) {
    out.push_back(kIpv4);
    for (const auto byte : address.to_v4().to_bytes()) out.push_back(byte);
  } else {
    out.push_back(kIpv6);
    for (const auto byte : address.to_v6().to_bytes()) out.push_back(byte);
  }
  out.push_back(static_cast<std::uint8_t>(port >> 8));
  out.push_back(static_cast<std::uint8_t>(port & 0xff));
  return out;
}

asio::awaitable<Result<>> connect_socks(tcp::socket& socket, const ProxyUrl& proxy, const std::string& host,
                                        std::uint16_t port) {
  if (host.size() > kMaxName) co_return failed(proxy, "takes no name as long as this relay's");
  if (auto proven = co_await socks_authenticate(socket, proxy); !proven) co_return proven;
  if (auto sent = co_await write_all(socket, socks_request(host, port)); !sent) co_return sent;
  // Version, reply, reserved, type and the first byte of the bound address, which tells a name's length.
  std::array<std::uint8_t, 5> head{};
  if (auto read = co_await read_all(socket, head); !read) co_return read;
  if (head[0] != kVersion) co_return failed(proxy, "does not speak SOCKS 5");
  if (head[1] != 0) co_return failed(proxy, socks_reply_text(head[1]));
  std::size_t rest = 2;  // the port
  switch (head[3]) {
    case kIpv4:
      rest += 3;
      break;
    case kIpv6:
      rest += 15;
      break;
    case kName:
      rest += head[4];
      break;
    default:
      co_return failed(proxy, "gave an unknown answer");
  }
  std::array<std::uint8_t, kMaxName + 2> ignored{};
  co_return co_await read_all(socket, std::span(ignored).first(rest));
}

asio::awaitable<Result<>> connect_http(tcp::socket& socket, const ProxyUrl& proxy, const std::string& host,
                                       std::uint16_t port) {
  const std::string target = fmt::format("{}:{}", url_host(host), port);
  std::string text = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target);
  if (!proxy.user.empty()) {
    text += fmt::format("Proxy-Authorization: Basic {}\r\n",
                        base::to_base64(base::as_bytes(proxy.user + ":" + proxy.password)));
  }
  text += "\r\n";
  Bytes request;
  append(request, text);
  if (auto sent = co_await write_all(socket, std::move(request)); !sent) co_return sent;

  beast::flat_buffer buffer(kMaxHttpAnswer);
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kMaxHttpAnswer);
  parser.skip(true);  // a successful answer to CONNECT has no body
  const auto [error, size] = co_await http::async_read_header(socket, buffer, parser, kAwait);
  if (error == http::error::end_of_stream) co_return failed(proxy, "closed the connection");
  if (error.category() == make_error_code(http::error::bad_version).category()) {
    co_return failed(proxy, "does not speak HTTP");
  }
  if (error) co_return base::Error(error, "the connection to the proxy is lost");
  const unsigned status = parser.get().result_int();
  if (status == kProxyAuthenticationRequired) {
    co_return refused(proxy, proxy.user.empty() ? "wants a user name and password"
                                                : "does not accept the user name and password");
  }
  if (status / 100 != 2) co_return failed(proxy, fmt::format("answers HTTP status {}", status));
  // In TLS and in a WebSocket's upgrade it is the client that speaks first.
  if (buffer.size() > 0) co_return failed(proxy, "sent more than its answer");
  co_return Result<>();
}

}  // namespace

asio::awaitable<Result<tcp::socket>> connect_through_proxy(ProxyUrl proxy, std::string host,
                                                           std::uint16_t port) {
  auto socket = co_await connect_tcp(proxy.host, proxy.port);
  if (!socket) co_return base::Error(socket.error().code, "the proxy: " + socket.error().context);
  Result<> connected;
  if (proxy.kind == ProxyUrl::Kind::socks5) {
    connected = co_await connect_socks(*socket, proxy, host, port);
  } else {
    connected = co_await connect_http(*socket, proxy, host, port);
  }
  if (!connected) co_return connected.error();
  co_return std::move(*socket);
}

}  // namespace p2pd::net
