// GET (or HEAD) /metrics (Prometheus text) and /healthz (200 while serving, 503 while draining) over plain
// HTTP/1.1, one request a connection, at most 16 connections, 5 s each. For an address that only the operator
// reaches. Owned by the server, its thread; its coroutines end with the task group they were started in.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/result.hpp"
#include "base/task_group.hpp"
#include "relay/metrics.hpp"

namespace p2pd::relay {

class MetricsServer {
 public:
  using Endpoint = boost::asio::ip::tcp::endpoint;

  MetricsServer(boost::asio::any_io_executor executor, const Metrics& metrics);

  [[nodiscard]] base::Result<> bind(const Endpoint& endpoint);
  void start(base::TaskGroup& tasks);
  [[nodiscard]] Endpoint address() const { return acceptor_.local_endpoint(); }

 private:
  [[nodiscard]] boost::asio::awaitable<void> accept(base::TaskGroup& tasks);
  [[nodiscard]] boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  [[nodiscard]] std::string response_to(std::string_view request) const;

  const Metrics& metrics_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::size_t connections_ = 0;
};

}  // namespace p2pd::relay
