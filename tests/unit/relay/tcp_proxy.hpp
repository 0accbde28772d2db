// A TCP forwarder that can stop forwarding while every connection stays "established": what a dead path looks
// like to the two ends. One thread; ends with its stop().
#pragma once

#include <array>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "base/await.hpp"
#include "base/task_group.hpp"

namespace p2pd::relay::test {

class TcpProxy {
 public:
  using Tcp = boost::asio::ip::tcp;

  TcpProxy(boost::asio::any_io_executor executor, Tcp::endpoint target)
      : target_(std::move(target)),
        acceptor_(executor, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
        tasks_(executor) {
    tasks_.spawn("proxy accept", accept());
  }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // From now on what arrives, also on new connections, goes nowhere.
  void black_hole() { open_ = false; }
  void heal() { open_ = true; }
  [[nodiscard]] boost::asio::awaitable<void> stop() {
    tasks_.cancel();
    co_await tasks_.join();
  }

 private:
  boost::asio::awaitable<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(base::kAwait);
      if (error) co_return;
      auto near_end = std::make_shared<Tcp::socket>(std::move(socket));
      auto far_end = std::make_shared<Tcp::socket>(acceptor_.get_executor());
      const auto [refused] = co_await far_end->async_connect(target_, base::kAwait);
      if (refused) continue;
      tasks_.spawn("proxy", pump(near_end, far_end));
      tasks_.spawn("proxy", pump(far_end, near_end));
    }
  }

  boost::asio::awaitable<void> pump(std::shared_ptr<Tcp::socket> from, std::shared_ptr<Tcp::socket> to) {
    std::array<char, 4096> buffer;
    for (;;) {
      const auto [error, size] = co_await from->async_read_some(boost::asio::buffer(buffer), base::kAwait);
      if (error) break;
      if (!open_) continue;
      const auto [lost, sent] =
          co_await boost::asio::async_write(*to, boost::asio::buffer(buffer, size), base::kAwait);
      if (lost) break;
    }
    boost::system::error_code ignored;
    if (open_) to->shutdown(Tcp::socket::shutdown_both, ignored);
  }

  Tcp::endpoint target_;
  Tcp::acceptor acceptor_;
  base::TaskGroup tasks_;
  bool open_ = true;
};

}  // namespace p2pd::relay::test
