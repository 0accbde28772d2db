#include "net/relay_transport.hpp"

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "net/proxy_connect.hpp"
#include "net/relay_connect.hpp"
#include "net/relay_error.hpp"
#include "net/relay_stream.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using base::kAwait;
using boost::system::error_code;

// A client masks what it sends in this buffer: one chunk, so one system call, for the largest datagram.
constexpr std::size_t kMaskBuffer = proto::kRelayMaxPayload + 256;
// What an idle session's read buffer may keep.
constexpr std::size_t kIdleBuffer = 4'096;
constexpr std::size_t kSmallMessage = 1'024;

using WebSocket = websocket::stream<RelayStream, false>;  // false: no permessage-deflate
using Request = http::request<http::empty_body>;

beast::string_view subprotocol() {
  return {proto::kRelaySubprotocol.data(), proto::kRelaySubprotocol.size()};
}

std::string bad_request() {
  return "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
}

// The answer to what is not an upgrade to the relay protocol; empty when it is one.
std::string http_answer(const Request& request) {
  const auto page = [](std::string_view status, std::string_view more_headers, std::string_view body) {
    return fmt::format(
        "HTTP/1.1 {}\r\nConnection: close\r\nContent-Type: text/plain\r\n{}Content-Length: {}\r\n\r\n{}",
        status, more_headers, body.size(), body);
  };
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    return page("405 Method Not Allowed", "Allow: GET\r\n", "");
  }
  const auto target = request.target();
  if (target == "/") return page("200 OK", "", request.method() == http::verb::get ? "p2p-relay\n" : "");
  if (target != beast::string_view(proto::kRelayPath.data(), proto::kRelayPath.size())) {
    return page("404 Not Found", "", "");
  }
  if (!websocket::is_upgrade(request)) {
    return page("426 Upgrade Required", "Upgrade: websocket\r\n", "this path speaks WebSocket\n");
  }
  if (!http::token_list(request[http::field::sec_websocket_protocol]).exists(subprotocol())) {
    return page("400 Bad Request", "", "the WebSocket subprotocol must be p2pd.relay.1\n");
  }
  return "";
}

asio::awaitable<base::Result<tcp::socket>> connect(const RelayUrl& url, std::optional<ProxyUrl> proxy) {
  if (proxy) co_return co_await connect_through_proxy(std::move(*proxy), url.host, url.port);
  co_return co_await connect_tcp(url.host, url.port);
}

base::Error read_error(const error_code& error) {
  if (error == websocket::error::message_too_big)
    return {make_error_code(RelayError::bad_frame), "a frame is too large"};
  if (error == websocket::error::closed || error == asio::error::eof)
    return {make_error_code(RelayError::closed)};
  if (error.category() == make_error_code(websocket::error::closed).category()) {
    return {make_error_code(RelayError::bad_frame), "WebSocket (" + error.message() + ")"};
  }
  return {error, "the connection is lost"};
}

}  // namespace

class RelayTransport::Impl {
 public:
  explicit Impl(tcp::socket socket) : ws_(RelayStream(std::move(socket))) {
    ws_.binary(true);
    ws_.auto_fragment(false);
    ws_.read_message_max(proto::kRelayMaxFrame);
  }

  asio::awaitable<base::Result<>> upgrade_as_client(RelayUrl url);
  asio::awaitable<base::Result<>> upgrade_as_server(std::size_t read_budget);

  asio::awaitable<base::Result<base::ByteView>> read() {
    const bool small = buffer_.size() <= kSmallMessage;
    buffer_.consume(buffer_.size());
    if (small && buffer_.capacity() > kIdleBuffer) buffer_.shrink_to_fit();
    const auto [error, size] = co_await ws_.async_read(buffer_, kAwait);
    if (error) co_return read_error(error);
    if (!ws_.got_binary()) co_return base::Error(make_error_code(RelayError::bad_frame), "a text message");
    co_return base::ByteView(last_message());
  }

  asio::awaitable<base::Result<>> write(base::ByteView message) {
    const auto [error, size] = co_await ws_.async_write(asio::buffer(message.data(), message.size()), kAwait);
    if (error) co_return base::Error(error, "the connection is lost");
    co_return base::Result<>();
  }

  asio::awaitable<void> close() { co_await ws_.async_close(websocket::close_code::normal, kAwait); }

  std::span<std::uint8_t> last_message() {
    const auto data = buffer_.data();
    return {static_cast<std::uint8_t*>(data.data()), data.size()};
  }

  WebSocket& ws() { return ws_; }
  RelayStream& stream() { return ws_.next_layer(); }
  const RelayStream& stream() const { return ws_.next_layer(); }
  const std::string& host_header() const { return host_header_; }

 private:
  asio::awaitable<base::Result<>> answer_http(std::string answer);

  WebSocket ws_;
  beast::flat_buffer buffer_;
  std::string host_header_;
};

asio::awaitable<base::Result<>> RelayTransport::Impl::upgrade_as_client(RelayUrl url) {
  ws_.write_buffer_bytes(kMaskBuffer);
  ws_.set_option(websocket::stream_base::decorator([](websocket::request_type& request) {
    request.set(http::field::sec_websocket_protocol, subprotocol());
  }));
  websocket::response_type response;
  const auto [error] = co_await ws_.async_handshake(response, url.authority(), url.path, kAwait);
  if (error == websocket::error::upgrade_declined) {
    co_return base::Error(make_error_code(RelayError::not_a_relay),
                          fmt::format("it answers HTTP status {}", response.result_int()));
  }
  if (error == asio::error::eof || error.category() == make_error_code(http::error::bad_version).category() ||
      error.category() == make_error_code(websocket::error::closed).category()) {
    co_return base::Error(make_error_code(RelayError::not_a_relay), "no WebSocket (" + error.message() + ")");
  }
  if (error) co_return base::Error(error, "the WebSocket upgrade failed");
  if (response[http::field::sec_websocket_protocol] != subprotocol()) {
    co_return base::Error(make_error_code(RelayError::not_a_relay), "it speaks another WebSocket protocol");
  }
  co_return base::Result<>();
}

asio::awaitable<base::Result<>> RelayTransport::Impl::answer_http(std::string answer) {
  co_await asio::async_write(stream(), asio::buffer(answer), kAwait);
  error_code ignored;
  stream().socket().shutdown(tcp::socket::shutdown_send, ignored);
  // Closing with unread bytes would reset the connection under the answer; the read budget bounds this.
  std::array<char, 512> rest;
  for (;;) {
    const auto [error, size] = co_await stream().async_read_some(asio::buffer(rest), kAwait);
    if (error) break;
  }
  co_return base::Error(make_error_code(RelayError::http_request));
}

asio::awaitable<base::Result<>> RelayTransport::Impl::upgrade_as_server(std::size_t read_budget) {
  beast::flat_buffer buffer(read_budget);
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(read_budget));
  const auto [error, size] = co_await http::async_read_header(stream(), buffer, parser, kAwait);
  if (error.category() == make_error_code(http::error::bad_version).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    std::string answer = bad_request();
    co_return co_await answer_http(std::move(answer));
  }
  if (error) co_return base::Error(error, "no HTTP request");
  const Request& request = parser.get();
  std::string answer = http_answer(request);
  // RFC 6455 4.1: a client waits for the answer before it sends frames.
  if (answer.empty() && buffer.size() > 0) answer = bad_request();
  if (!answer.empty()) co_return co_await answer_http(std::move(answer));
  host_header_ = std::string(request[http::field::host]);
  ws_.set_option(websocket::stream_base::decorator([](websocket::response_type& response) {
    response.set(http::field::sec_websocket_protocol, subprotocol());
  }));
  const auto [refused] = co_await ws_.async_accept(request, kAwait);
  if (refused) co_return base::Error(refused, "no WebSocket upgrade");
  co_return base::Result<>();
}

RelayTransport::RelayTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RelayTransport::~RelayTransport() = default;

asio::awaitable<base::Result<std::unique_ptr<RelayTransport>>> RelayTransport::dial(
    RelayUrl url, std::shared_ptr<const TlsContext> tls, std::optional<ProxyUrl> proxy) {
  auto socket = co_await connect(url, std::move(proxy));
  if (!socket) co_return socket.error();
  prepare_relay_socket(*socket);
  auto impl = std::make_unique<Impl>(std::move(*socket));
  if (url.tls) {
    const auto secured = co_await impl->stream().connect_tls(tls, url.host);
    if (!secured) co_return secured.error();
  }
  const auto upgraded = co_await impl->upgrade_as_client(url);
  if (!upgraded) co_return upgraded.error();
  co_return std::unique_ptr<RelayTransport>(new RelayTransport(std::move(impl)));
}

asio::awaitable<base::Result<std::unique_ptr<RelayTransport>>> RelayTransport::accept(
    tcp::socket socket, std::shared_ptr<const TlsContext> tls, std::size_t read_budget) {
  prepare_relay_socket(socket);
  auto impl = std::make_unique<Impl>(std::move(socket));
  impl->stream().set_read_budget(read_budget);
  impl->ws().read_message_max(read_budget);
  if (tls) {
    const auto secured = co_await impl->stream().accept_tls(tls);
    if (!secured) co_return secured.error();
  }
  const auto upgraded = co_await impl->upgrade_as_server(read_budget);
  if (!upgraded) co_return upgraded.error();
  co_return std::unique_ptr<RelayTransport>(new RelayTransport(std::move(impl)));
}

asio::awaitable<base::Result<base::ByteView>> RelayTransport::read() { return impl_->read(); }
asio::awaitable<base::Result<>> RelayTransport::write(base::ByteView message) {
  return impl_->write(message);
}
asio::awaitable<void> RelayTransport::close() { return impl_->close(); }
void RelayTransport::abort() noexcept { impl_->stream().close(); }
void RelayTransport::set_max_message(std::size_t bytes) { impl_->ws().read_message_max(bytes); }
void RelayTransport::lift_read_budget() { impl_->stream().lift_read_budget(); }
std::span<std::uint8_t> RelayTransport::last_message() { return impl_->last_message(); }
asio::any_io_executor RelayTransport::executor() { return impl_->stream().get_executor(); }
asio::ip::address RelayTransport::local_address() const {
  error_code error;
  const tcp::endpoint endpoint = impl_->stream().socket().local_endpoint(error);
  return error ? asio::ip::address() : endpoint.address();
}
bool RelayTransport::encrypted() const { return impl_->stream().encrypted(); }
std::array<std::uint8_t, 32> RelayTransport::exporter() const {
  return impl_->stream().exporter(proto::kRelayExporterLabel);
}
const std::string& RelayTransport::host_header() const { return impl_->host_header(); }

}  // namespace p2pd::net
