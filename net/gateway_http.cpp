#include "net/gateway_http.hpp"

#include <chrono>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "base/await.hpp"
#include "base/within.hpp"
#include "net/port_protocol.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using base::kAwait;
using base::Result;

constexpr std::chrono::milliseconds kLimit{1'500};
constexpr std::size_t kMaxBody = 65'536;
constexpr std::uint32_t kMaxHeader = 8'192;

// `limit` of the parser holds whatever length the answer claims.
asio::awaitable<Result<GatewayHttpAnswer>> exchange(proto::GatewayUrl url, std::string soap_action,
                                                    std::string body) {
  tcp::socket socket(co_await asio::this_coro::executor);
  boost::system::error_code bad;
  const auto address = asio::ip::make_address(url.endpoint.address_text(), bad);
  if (bad) co_return mapping_error(MappingError::malformed, "an address that is none");
  const auto [unreached] = co_await socket.async_connect({address, url.endpoint.port}, kAwait);
  if (unreached) co_return mapping_error(MappingError::no_answer, unreached.message());

  const bool soap = !body.empty();
  http::request<http::string_body> request(soap ? http::verb::post : http::verb::get, url.target, 11);
  request.set(http::field::host, url.endpoint.text());
  request.set(http::field::user_agent, "p2pd UPnP/1.1");
  request.set(http::field::connection, "close");
  if (soap) {
    request.set(http::field::content_type, "text/xml; charset=\"utf-8\"");
    request.set("SOAPAction", soap_action);
    request.body() = std::move(body);
  }
  request.prepare_payload();
  const auto [unsent, sent] = co_await http::async_write(socket, request, kAwait);
  if (unsent) co_return mapping_error(MappingError::no_answer, unsent.message());

  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxBody);
  parser.header_limit(kMaxHeader);
  boost::beast::flat_buffer buffer(kMaxHeader + kMaxBody);
  const auto [unread, size] = co_await http::async_read(socket, buffer, parser, kAwait);
  if (unread) co_return mapping_error(MappingError::malformed, unread.message());
  co_return GatewayHttpAnswer{parser.get().result_int(), std::move(parser.get().body())};
}

}  // namespace

asio::awaitable<Result<GatewayHttpAnswer>> ask_gateway(proto::GatewayUrl url, std::string soap_action,
                                                       std::string body) {
  auto answer =
      co_await base::within(kLimit, exchange(std::move(url), std::move(soap_action), std::move(body)));
  if (!answer) co_return mapping_error(MappingError::no_answer);
  co_return std::move(*answer);
}

}  // namespace p2pd::net
