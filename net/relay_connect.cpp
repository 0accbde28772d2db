#include "net/relay_connect.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <netinet/tcp.h>

#include "base/await.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::kAwait;
using boost::system::error_code;

constexpr std::chrono::milliseconds kNextAddress{250};  // RFC 8305 section 8, Connection Attempt Delay
constexpr std::size_t kMaxAddresses = 8;
// What TCP may hold unsent. More would queue pings behind seconds of data on a slow uplink.
constexpr int kUnsentBytes = 128 * 1024;

// getaddrinfo runs on Asio's resolver thread and cannot be interrupted: the waiting coroutine must be able to
// leave first, so its result is shared with the completion.
struct Resolution {
  explicit Resolution(const asio::any_io_executor& executor)
      : resolver(executor), done(executor, asio::steady_timer::time_point::max()) {}
  tcp::resolver resolver;
  asio::steady_timer done;
  bool finished = false;
  error_code error;
  std::vector<tcp::endpoint> endpoints;
};

// RFC 8305 section 4: families take turns, beginning with the one the system prefers.
std::vector<tcp::endpoint> interleave(const std::vector<tcp::endpoint>& sorted) {
  std::vector<tcp::endpoint> first;
  std::vector<tcp::endpoint> second;
  for (const tcp::endpoint& endpoint : sorted) {
    (endpoint.protocol() == sorted.front().protocol() ? first : second).push_back(endpoint);
  }
  std::vector<tcp::endpoint> out;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  if (out.size() > kMaxAddresses) out.resize(kMaxAddresses);
  return out;
}

asio::awaitable<base::Result<std::vector<tcp::endpoint>>> resolve(std::string host, std::uint16_t port) {
  error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return std::vector<tcp::endpoint>{tcp::endpoint(address, port)};

  const auto executor = co_await asio::this_coro::executor;
  const auto resolution = std::make_shared<Resolution>(executor);
  resolution->resolver.async_resolve(
      host, std::to_string(port), tcp::resolver::numeric_service,
      [resolution](const error_code& error, const tcp::resolver::results_type& results) {
        resolution->finished = true;
        resolution->error = error;
        for (const auto& entry : results) resolution->endpoints.push_back(entry.endpoint());
        resolution->done.cancel();
      });
  co_await resolution->done.async_wait(kAwait);
  if (!resolution->finished) {
    resolution->resolver.cancel();
    co_return base::Error(asio::error::operation_aborted);
  }
  if (resolution->error) co_return base::Error(resolution->error, fmt::format("cannot find {}", host));
  co_return interleave(resolution->endpoints);
}

struct Race {
  std::vector<tcp::endpoint> endpoints;
  error_code last_error;
};

// Throws when it cannot connect, as the operators below expect of a loser.
asio::awaitable<tcp::socket> connect_one(Race& race, std::size_t index, asio::steady_timer& head_start) {
  tcp::socket socket(co_await asio::this_coro::executor);
  const auto [error] = co_await socket.async_connect(race.endpoints[index], kAwait);
  if (error) {
    race.last_error = error;
    head_start.cancel();
    throw boost::system::system_error(error);
  }
  co_return socket;
}

asio::awaitable<tcp::socket> connect_from(Race& race, std::size_t index);

asio::awaitable<tcp::socket> connect_later(Race& race, std::size_t index, asio::steady_timer& head_start) {
  co_await head_start.async_wait(kAwait);
  co_return co_await connect_from(race, index);
}

asio::awaitable<tcp::socket> connect_from(Race& race, std::size_t index) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer head_start(co_await asio::this_coro::executor, kNextAddress);
  if (index + 1 == race.endpoints.size()) co_return co_await connect_one(race, index, head_start);
  auto winner = co_await (connect_one(race, index, head_start) || connect_later(race, index + 1, head_start));
  if (winner.index() == 0) co_return std::get<0>(std::move(winner));
  co_return std::get<1>(std::move(winner));
}

}  // namespace

asio::awaitable<base::Result<tcp::socket>> connect_tcp(std::string host, std::uint16_t port) {
  auto endpoints = co_await resolve(host, port);
  if (!endpoints) co_return endpoints.error();
  Race race{std::move(*endpoints), {}};
  if (race.endpoints.empty()) co_return base::Error(asio::error::host_not_found, "cannot find " + host);
  try {
    co_return co_await connect_from(race, 0);
  } catch (const boost::system::system_error& error) {
    co_return base::Error(race.last_error ? race.last_error : error.code(),
                          fmt::format("cannot connect to {} port {}", host, port));
  }
}

void prepare_relay_socket(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
#ifdef TCP_NOTSENT_LOWAT
  using UnsentLowWater = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;
  socket.set_option(UnsentLowWater(kUnsentBytes), ignored);
#endif
}

}  // namespace p2pd::net
