#include "relay/server.hpp"

#include <algorithm>
#include <cmath>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/await.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/within.hpp"
#include "net/relay_error.hpp"
#include "relay/admission.hpp"
#include "relay/memory.hpp"

namespace p2pd::relay {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using asio::ip::tcp;
using asio::ip::udp;
using base::Clock;
using base::kAwait;
using boost::system::error_code;
using net::RelayError;

constexpr std::size_t kMaxBudgets = 262'144;
// No descriptors (EMFILE) or no memory: the connection stays in the backlog until some are there again.
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr double kHandshakeBurst = 10;  // seconds' worth
constexpr std::uint64_t kSessionsATrim = 256;

// Counts one connection for as long as it is not authenticated.
class Unauthenticated {
 public:
  explicit Unauthenticated(Metrics& metrics) : metrics_(&metrics) { ++metrics_->unauthenticated; }
  ~Unauthenticated() { end(); }
  Unauthenticated(const Unauthenticated&) = delete;
  Unauthenticated& operator=(const Unauthenticated&) = delete;
  void end() {
    if (metrics_ != nullptr) --metrics_->unauthenticated;
    metrics_ = nullptr;
  }

 private:
  Metrics* metrics_;
};

// What a limits frame says of a rate; 0 is no limit there too.
std::uint32_t as_u32(double rate) {
  return static_cast<std::uint32_t>(std::min(std::ceil(rate), 4'294'967'295.0));
}

TrafficBudget traffic_budget(const Limits& limits, double factor) {
  const double packets = limits.rate_packets * factor;
  const double bytes = limits.rate_bytes * factor;
  // A second's worth at once, and never less than a full frame.
  return {TokenBucket(packets, std::max(packets, 1.0)),
          TokenBucket(bytes, std::max(bytes, static_cast<double>(proto::kRelayMaxFrame)))};
}

asio::awaitable<bool> joined(base::TaskGroup& group) {
  co_await group.join();
  co_return true;
}

}  // namespace

std::string to_text(const asio::ip::address& address, std::uint16_t port) {
  return address.is_v6() ? fmt::format("[{}]:{}", address.to_string(), port)
                         : fmt::format("{}:{}", address.to_string(), port);
}

Server::Server(asio::any_io_executor executor, ServerConfig config,
               std::shared_ptr<const net::Identity> identity)
    : executor_(std::move(executor)),
      config_(std::move(config)),
      identity_(std::move(identity)),
      files_(config_.access, config_.tls_certificate, config_.tls_key),
      registry_(config_.limits.max_interest),
      key_budgets_(kMaxBudgets, [this] { return traffic_budget(config_.limits, 1); }),
      address_budgets_(kMaxBudgets,
                       [this] { return traffic_budget(config_.limits, config_.limits.address_factor); }),
      handshakes_(kMaxBudgets,
                  [this] {
                    const double rate = config_.limits.rate_handshakes;
                    return TokenBucket(rate, std::max(1.0, rate * kHandshakeBurst));
                  }),
      knocks_(kMaxBudgets, config_.limits),
      listeners_(executor_),
      connections_(executor_) {}

Server::~Server() = default;

base::Result<> Server::start() {
  if (auto loaded = files_.load(); !loaded) return loaded;
  note_files();
  for (const tcp::endpoint& endpoint : config_.listen) {
    if (auto listening = listen(endpoint); !listening) return listening;
  }
  if (!config_.stun_listen.empty()) {
    stun_ = std::make_unique<StunServer>(executor_, config_.limits.rate_stun, metrics_);
    if (auto bound = stun_->bind(config_.stun_listen); !bound) return bound;
    stun_->start(listeners_);
    for (const udp::endpoint& endpoint : stun_->addresses()) {
      log::info("relay", "stun listening", {{"addr", to_text(endpoint.address(), endpoint.port())}});
    }
  }
  if (config_.metrics) {
    metrics_server_ = std::make_unique<MetricsServer>(executor_, metrics_);
    if (auto bound = metrics_server_->bind(*config_.metrics); !bound) return bound;
    metrics_server_->start(listeners_);
    const tcp::endpoint at = metrics_server_->address();
    log::info("relay", "metrics listening", {{"addr", to_text(at.address(), at.port())}});
  }
  for (const auto& acceptor : acceptors_) {
    const tcp::endpoint at = acceptor->local_endpoint();
    const std::string address = to_text(at.address(), at.port());
    log::info("relay", "listening",
              {{"addr", address}, {"url", (files_.tls() ? "wss://" : "ws://") + address}});
    listeners_.spawn("accept", accept_clients(*acceptor));
  }
  listeners_.spawn("sweep", sweep());
  return {};
}

base::Result<> Server::listen(const tcp::endpoint& endpoint) {
  auto acceptor = std::make_unique<Acceptor>(executor_);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return base::Error(error,
                       fmt::format("cannot listen on {}", to_text(endpoint.address(), endpoint.port())));
  }
  acceptors_.push_back(std::move(acceptor));
  return {};
}

base::Result<> Server::reload() {
  const base::Result<> reloaded = files_.reload();
  ++(reloaded ? metrics_.reloads : metrics_.reloads_failed);
  note_files();
  std::size_t ended = 0;
  for (Client* client : clients_) {
    if (client->finishing() || files_.access().permits(client->credential())) continue;
    client->finish(proto::RelayGoodbyeCode::not_permitted,
                   "the relay does not serve this key or token any more");
    ++ended;
  }
  metrics_.ended_permission += ended;
  log::info("relay", "files read again",
            {{"complete", reloaded.has_value()}, {"permitted", files_.access().size()}, {"ended", ended}});
  return reloaded;
}

void Server::note_files() {
  metrics_.access_entries = files_.access().size();
  if (files_.tls() != nullptr) metrics_.certificate_not_after = files_.tls()->not_after();
}

asio::awaitable<void> Server::accept_clients(Acceptor& acceptor) {
  asio::steady_timer pause(executor_);
  bool complained = false;
  for (;;) {
    auto [error, socket] = co_await acceptor.async_accept(kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error == asio::error::connection_aborted) continue;
    if (error) {
      if (!complained) log::error("relay", "cannot accept connections", {{"reason", error.message()}});
      complained = true;
      pause.expires_after(kAcceptPause);
      const auto [cancelled] = co_await pause.async_wait(kAwait);
      if (cancelled) co_return;
      continue;
    }
    complained = false;
    ++metrics_.accepted;
    error_code gone;
    const tcp::endpoint remote = socket.remote_endpoint(gone);
    if (gone) continue;
    if (!admit(remote.address())) continue;
    connections_.spawn("connection", serve(std::move(socket)));
  }
}

bool Server::admit(const asio::ip::address& address) {
  if (!admits(config_.limits.startups, metrics_.unauthenticated, base::random_unit())) {
    ++metrics_.refused_early;
    return false;
  }
  if (!handshakes_.get(AddressPrefix::of(address))->take(1, Clock::now())) {
    ++metrics_.refused_rate;
    return false;
  }
  return true;
}

asio::awaitable<void> Server::serve(tcp::socket socket) {
  Unauthenticated unauthenticated(metrics_);
  error_code gone;
  const tcp::endpoint remote = socket.remote_endpoint(gone);
  if (gone) co_return;
  std::unique_ptr<net::RelayTransport> transport;
  const auto established =
      co_await base::within(config_.limits.authentication, establish(std::move(socket), transport));
  unauthenticated.end();
  if (!established) {
    ++metrics_.refused_timeout;
    co_return;
  }
  if (!*established) {
    count_refusal(established->error());
    log::debug(
        "relay", "client refused",
        {{"addr", to_text(remote.address(), remote.port())}, {"reason", established->error().message()}});
    co_return;
  }
  co_await serve_client(std::move(transport), **established, remote);
}

asio::awaitable<void> Server::serve_client(std::unique_ptr<net::RelayTransport> transport,
                                           Credential credential, tcp::endpoint remote) {
  log::debug("relay", "client",
             {{"client", credential.client}, {"addr", to_text(remote.address(), remote.port())}});
  const AddressPrefix prefix = AddressPrefix::of(remote.address());
  // Asked again: files and numbers may have changed while the welcome was on its way.
  const auto refusal = judge(credential);
  Client client({config_.limits, registry_, metrics_, knocks_}, std::move(transport), credential, prefix,
                {key_budgets_.get(credential.client), address_budgets_.get(prefix)});
  clients_.insert(&client);
  ++metrics_.clients;
  if (refusal) client.finish(refusal->code, refusal->text);
  co_await client.run();
  --metrics_.clients;
  clients_.erase(&client);
}

asio::awaitable<base::Result<Credential>> Server::establish(tcp::socket socket,
                                                            std::unique_ptr<net::RelayTransport>& transport) {
  auto accepted = co_await net::RelayTransport::accept(std::move(socket), files_.tls(),
                                                       proto::kRelayMaxFrameUnauthenticated);
  if (!accepted) co_return accepted.error();
  transport = std::move(*accepted);
  Authentication authentication;
  authentication.identity = identity_;
  authentication.welcome.max_payload = static_cast<std::uint32_t>(config_.limits.max_payload);
  authentication.welcome.ping_interval_ms = static_cast<std::uint32_t>(config_.limits.ping_after.count());
  authentication.welcome.max_interest = static_cast<std::uint16_t>(config_.limits.max_interest);
  authentication.limits.packets_per_second = as_u32(config_.limits.rate_packets);
  authentication.limits.bytes_per_second = as_u32(config_.limits.rate_bytes);
  for (const net::RelayUrl& url : config_.public_urls) authentication.authorities.push_back(url.authority());
  authentication.farewell = config_.limits.farewell;
  Credential credential;
  authentication.judge = [this, &credential](const base::PeerId& client, std::string_view token) {
    credential = Credential::of(client, token);
    return judge(credential);
  };
  const auto authenticated = co_await authenticate_client(*transport, std::move(authentication));
  if (!authenticated) co_return authenticated.error();
  co_return credential;
}

std::optional<proto::RelayGoodbye> Server::judge(const Credential& credential) {
  if (metrics_.draining)
    return proto::RelayGoodbye{proto::RelayGoodbyeCode::draining, "the relay is being stopped"};
  if (!files_.access().permits(credential))
    return proto::RelayGoodbye{proto::RelayGoodbyeCode::not_permitted, ""};
  // Who takes the place of an older session needs no further one.
  if (clients_.size() >= config_.limits.max_clients && registry_.find(credential.client) == nullptr) {
    return proto::RelayGoodbye{proto::RelayGoodbyeCode::limit, "the relay is full"};
  }
  return std::nullopt;
}

void Server::count_refusal(const base::Error& error) {
  if (error.code == make_error_code(RelayError::http_request)) {
    ++metrics_.refused_http;
  } else if (error.code == make_error_code(RelayError::authentication_failed)) {
    ++metrics_.refused_authentication;
  } else if (error.code == make_error_code(RelayError::not_permitted)) {
    ++metrics_.refused_permission;
  } else if (error.code == make_error_code(RelayError::limit)) {
    ++metrics_.refused_limit;
  } else {
    ++metrics_.refused_broken;
  }
}

asio::awaitable<void> Server::sweep() {
  asio::steady_timer timer(executor_);
  for (;;) {
    timer.expires_after(config_.limits.sweep);
    const auto [cancelled] = co_await timer.async_wait(kAwait);
    if (cancelled) co_return;
    const base::TimePoint now = Clock::now();
    for (Client* client : clients_) client->sweep(now);
    key_budgets_.purge(now);
    address_budgets_.purge(now);
    handshakes_.purge(now);
    knocks_.purge(now);
    if (metrics_.unauthenticated == 0 && metrics_.sessions - sessions_at_trim_ >= kSessionsATrim) {
      sessions_at_trim_ = metrics_.sessions;
      give_back_free_memory();
    }
  }
}

asio::awaitable<void> Server::drain() {
  metrics_.draining = true;
  for (const auto& acceptor : acceptors_) {
    error_code ignored;
    acceptor->close(ignored);
  }
  log::info("relay", "draining", {{"clients", clients_.size()}});
  for (Client* client : clients_)
    client->finish(proto::RelayGoodbyeCode::draining, "the relay is being stopped");
  co_await base::within(config_.limits.drain, joined(connections_));
  connections_.cancel();
  listeners_.cancel();
  co_await connections_.join();
  co_await listeners_.join();
  log::info("relay", "stopped");
}

std::vector<tcp::endpoint> Server::addresses() const {
  std::vector<tcp::endpoint> out;
  out.reserve(acceptors_.size());
  for (const auto& acceptor : acceptors_) out.push_back(acceptor->local_endpoint());
  return out;
}

std::vector<udp::endpoint> Server::stun_addresses() const {
  return stun_ ? stun_->addresses() : std::vector<udp::endpoint>();
}

std::optional<tcp::endpoint> Server::metrics_address() const {
  if (!metrics_server_) return std::nullopt;
  return metrics_server_->address();
}

}  // namespace p2pd::relay
