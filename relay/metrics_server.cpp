#include "relay/metrics_server.hpp"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "base/within.hpp"
#include "relay/server.hpp"

namespace p2pd::relay {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::kAwait;
using boost::system::error_code;

constexpr std::size_t kMaxRequest = 4'096;
constexpr std::size_t kMaxConnections = 16;
constexpr std::chrono::seconds kDeadline{5};
constexpr std::chrono::milliseconds kAcceptPause{100};

std::string page(std::string_view status, std::string_view body, std::string_view more_headers = "") {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n{}Content-Length: {}\r\n"
      "Connection: close\r\n\r\n{}",
      status, more_headers, body.size(), body);
}

asio::awaitable<bool> read_request(tcp::socket& socket, std::string& request) {
  const auto [error, size] =
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request, kMaxRequest), "\r\n\r\n", kAwait);
  co_return !error;
}

asio::awaitable<bool> write_response(tcp::socket& socket, std::string response) {
  const auto [error, size] = co_await asio::async_write(socket, asio::buffer(response), kAwait);
  co_return !error;
}

}  // namespace

MetricsServer::MetricsServer(asio::any_io_executor executor, const Metrics& metrics)
    : metrics_(metrics), acceptor_(executor) {}

base::Result<> MetricsServer::bind(const Endpoint& endpoint) {
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return base::Error(
        error, fmt::format("cannot serve metrics on {}", to_text(endpoint.address(), endpoint.port())));
  }
  return {};
}

void MetricsServer::start(base::TaskGroup& tasks) { tasks.spawn("metrics", accept(tasks)); }

asio::awaitable<void> MetricsServer::accept(base::TaskGroup& tasks) {
  asio::steady_timer pause(acceptor_.get_executor());
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      pause.expires_after(kAcceptPause);
      const auto [cancelled] = co_await pause.async_wait(kAwait);
      if (cancelled) co_return;
      continue;
    }
    if (connections_ < kMaxConnections) tasks.spawn("metrics request", serve(std::move(socket)));
  }
}

asio::awaitable<void> MetricsServer::serve(tcp::socket socket) {
  struct Counted {
    std::size_t& count;
    explicit Counted(std::size_t& counter) : count(counter) { ++count; }
    ~Counted() { --count; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
  } const counted(connections_);
  std::string request;
  const auto read = co_await base::within(kDeadline, read_request(socket, request));
  if (!read || !*read) co_return;
  co_await base::within(kDeadline, write_response(socket, response_to(request)));
  error_code ignored;
  socket.shutdown(tcp::socket::shutdown_both, ignored);
}

std::string MetricsServer::response_to(std::string_view request) const {
  const std::string_view line = request.substr(0, request.find("\r\n"));
  const std::string_view method = line.substr(0, line.find(' '));
  if (method != "GET" && method != "HEAD") return page("405 Method Not Allowed", "", "Allow: GET, HEAD\r\n");
  const std::string_view target = line.substr(std::min(method.size() + 1, line.size()));
  const std::string_view path = target.substr(0, target.find_first_of("? "));
  std::string answer;
  if (path == "/metrics") {
    answer = page("200 OK", metrics_.text());
  } else if (path == "/healthz") {
    answer = metrics_.draining ? page("503 Service Unavailable", "draining\n") : page("200 OK", "ok\n");
  } else {
    answer = page("404 Not Found", "here are /metrics and /healthz\n");
  }
  if (method == "HEAD") answer.resize(answer.find("\r\n\r\n") + 4);
  return answer;
}

}  // namespace p2pd::relay
