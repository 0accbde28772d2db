#include "daemon/net_checker.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "daemon/stun_names.hpp"

namespace p2pd::daemon {

namespace asio = boost::asio;

namespace {

// Of a name with many addresses too.
constexpr std::size_t kMaxTurnServers = 4;

}  // namespace

NetChecker::NetChecker(asio::io_context& io, base::TaskGroup& tasks, std::function<const Options&()> options)
    : io_(io), tasks_(tasks), options_(std::move(options)), broken_off_(io, base::kNever) {}

void NetChecker::check(base::Duration max_age, Done done) {
  if (last_ && base::Clock::now() - last_->done <= max_age) {
    asio::post(io_, [done = std::move(done), result = last_] { done(result); });
    return;
  }
  waiting_.push_back(std::move(done));
  if (std::exchange(running_, true)) return;
  tasks_.spawn("network check", run());
}

void NetChecker::changed() {
  last_.reset();
  if (!running_) return;
  again_ = true;
  broken_off_.cancel();
}

asio::awaitable<void> NetChecker::run() {
  using namespace asio::experimental::awaitable_operators;
  for (;;) {
    again_ = false;
    auto first = co_await (check_once() || broken_off_.async_wait(asio::as_tuple(asio::use_awaitable)));
    if (again_) continue;
    if (first.index() == 0) finish(std::move(std::get<0>(first)));
    co_return;
  }
}

asio::awaitable<NetCheckResult> NetChecker::check_once() {
  NetCheckResult out;
  const base::TimePoint start = base::Clock::now();
  out.direct = options_().direct;
  if (out.direct) {
    const bool allow_loopback = options_().allow_loopback;
    StunAddresses addresses = co_await look_up_stun(stun_names(options_()));
    out.any_server = !addresses.servers.empty();
    net::NetCheckConfig config;
    config.servers = std::move(addresses.servers);
    config.allow_loopback = allow_loopback;
    using namespace asio::experimental::awaitable_operators;
    auto [findings, turn] = co_await (net::check_network(std::move(config)) && check_turn());
    out.findings = std::move(findings);
    out.turn = std::move(turn);
  }
  out.at = base::wall_now();
  out.done = base::Clock::now();
  out.took = out.done - start;
  co_return out;
}

asio::awaitable<std::vector<net::TurnServerReport>> NetChecker::check_turn() {
  const bool allow_loopback = options_().allow_loopback;
  TurnAddresses found = co_await look_up_turn(options_().turn, options_().turn_secret);
  found.servers.resize(std::min(found.servers.size(), kMaxTurnServers));
  std::vector<net::TurnServerReport> out;
  out.reserve(found.servers.size());
  for (net::TurnServer& server : found.servers) {
    out.push_back(co_await net::check_turn_server(io_, std::move(server), allow_loopback));
  }
  co_return out;
}

void NetChecker::finish(NetCheckResult result) {
  running_ = false;
  base::log::debug("net", "network checked",
                   {{"took_ms", base::to_ms(result.took)},
                    {"direct", result.direct},
                    {"ipv4_mapping", to_string(result.findings.ipv4.mapping)},
                    {"ipv4_filtering", to_string(result.findings.ipv4.filtering)},
                    {"ipv6_mapping", to_string(result.findings.ipv6.mapping)}});
  last_ = std::make_shared<const NetCheckResult>(std::move(result));
  const ResultPtr kept = last_;
  for (const Done& done : std::exchange(waiting_, {})) done(kept);
  if (checked_) checked_(kept);
}

}  // namespace p2pd::daemon
