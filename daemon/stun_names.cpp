#include "daemon/stun_names.hpp"

#include <chrono>
#include <string>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/udp.hpp>
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

asio::awaitable<Found> resolve(udp::resolver& resolver, std::string host, std::string port) {
  co_return co_await resolver.async_resolve(host, port, asio::as_tuple(asio::use_awaitable));
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
  udp::resolver resolver(co_await asio::this_coro::executor);
  StunAddresses out;
  const base::TimePoint end = base::Clock::now() + kLookUp;
  for (const HostPort& name : names) {
    const auto found = co_await base::within(end - base::Clock::now(),
                                             resolve(resolver, name.host, std::to_string(name.port)));
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
