#include "daemon/stun_names.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "base/within.hpp"

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

constexpr std::uint16_t kStunPort = 3478;  // RFC 8489 section 8.1
// All names together.
constexpr auto kLookUp = std::chrono::seconds(10);

using Found = std::tuple<boost::system::error_code, udp::resolver::results_type>;

// getaddrinfo runs on Asio's resolver thread and cannot be interrupted: who waits must be able to leave
// first.
struct LookUp {
  explicit LookUp(const asio::any_io_executor& executor)
      : resolver(executor), over(executor, asio::steady_timer::time_point::max()) {}
  udp::resolver resolver;
  asio::steady_timer over;
  std::optional<Found> found;
};

asio::awaitable<Found> resolve(std::string host, std::string port) {
  const auto executor = co_await asio::this_coro::executor;
  const auto look_up = std::make_shared<LookUp>(executor);
  look_up->resolver.async_resolve(
      host, port,
      [look_up](const boost::system::error_code& error, const udp::resolver::results_type& results) {
        look_up->found.emplace(error, results);
        look_up->over.cancel();
      });
  co_await look_up->over.async_wait(asio::as_tuple(asio::use_awaitable));
  if (look_up->found) co_return *look_up->found;
  look_up->resolver.cancel();
  co_return Found(asio::error::operation_aborted, {});
}

}  // namespace

std::vector<HostPort> stun_names(const Options& options) {
  std::vector<HostPort> names = options.stun;
  if (names.empty()) {
    for (const auto& relay : options.relays) names.push_back({relay.host, kStunPort});
  }
  return names;
}

asio::awaitable<StunAddresses> look_up_stun(std::vector<HostPort> names) {
  StunAddresses out;
  const base::TimePoint end = base::Clock::now() + kLookUp;
  for (const HostPort& name : names) {
    const auto found =
        co_await base::within(end - base::Clock::now(), resolve(name.host, std::to_string(name.port)));
    if (!found || std::get<0>(*found)) {
      out.missing = true;
      base::log::warn("stun", "a server's name is not known",
                      {{"host", name.host}, {"error", found ? std::get<0>(*found).message() : "no answer"}});
      continue;
    }
    for (const auto& entry : std::get<1>(*found)) {
      const auto address = entry.endpoint().address().to_string();
      if (const auto server = proto::Endpoint::from_text(address, entry.endpoint().port()))
        out.servers.push_back(*server);
    }
  }
  co_return out;
}

asio::awaitable<TurnAddresses> look_up_turn(std::vector<TurnUri> uris, TurnSecret secret) {
  TurnAddresses out;
  for (const TurnUri& uri : uris) {
    // A variable of its own: g++ 12 does not take the braces beside co_await.
    std::vector<HostPort> names(1, uri.server);
    const StunAddresses found = co_await look_up_stun(std::move(names));
    out.missing = out.missing || found.missing;
    for (const proto::Endpoint& endpoint : found.servers) {
      net::TurnServer server;
      server.endpoint = endpoint;
      server.credentials = {secret.user, secret.password};
      server.shared_secret = secret.shared;
      server.transport = uri.tcp ? net::TurnServer::Transport::tcp : net::TurnServer::Transport::udp;
      out.servers.push_back(std::move(server));
    }
  }
  co_return out;
}

}  // namespace p2pd::daemon
