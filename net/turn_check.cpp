#include "net/turn_check.hpp"

#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/await.hpp"
#include "base/within.hpp"
#include "net/ice_agent.hpp"
#include "net/stun_client.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;

using base::kAwait;

// libnice gives up an unanswered request after two.
constexpr std::chrono::milliseconds kAllocation{3'000};
constexpr std::chrono::milliseconds kAnswer{1'000};

IceConfig relay_config(TurnServer server, bool allow_loopback) {
  IceConfig config;
  auto servers = std::make_shared<IceServers>();
  servers->turn.push_back(std::move(server));
  config.servers = std::move(servers);
  config.allow_loopback = allow_loopback;
  config.relay_only = true;
  config.log_name = "netcheck";
  return config;
}

class Gathering final : public IceEvents {
 public:
  Gathering(asio::io_context& io, IceConfig config)
      : over_(io, kAllocation), agent_(io, std::move(config), *this) {}

  // The agent's farewell outlives the coroutine that wanted it.
  static void end(std::shared_ptr<Gathering> self) {
    IceAgent& agent = self->agent_;
    agent.stop([self = std::move(self)] {});
  }
  [[nodiscard]] asio::awaitable<void> run() {
    static_cast<void>(agent_.start(1, true));
    co_await over_.async_wait(kAwait);
  }
  [[nodiscard]] const std::optional<proto::Endpoint>& relayed() const { return relayed_; }

 private:
  void on_ice_candidate(std::uint32_t, const proto::Candidate& local) override {
    if (local.type != proto::CandidateType::relay) return;
    relayed_ = local.endpoint;
    over_.cancel();
  }
  void on_ice_gathering_done(std::uint32_t) override { over_.cancel(); }
  void on_ice_connected(std::uint32_t, const IcePair&) override {}
  void on_ice_failed(std::uint32_t, IceFailure) override { over_.cancel(); }
  void on_ice_datagram(base::ByteView) override {}
  void on_ice_batch_end() override {}

  asio::steady_timer over_;
  std::optional<proto::Endpoint> relayed_;
  IceAgent agent_;
};

struct EndOfGathering {
  std::shared_ptr<Gathering> gathering;
  ~EndOfGathering() { Gathering::end(std::move(gathering)); }
};

// Any server's answer to a Binding request, or its TCP port that opens.
asio::awaitable<bool> answers(asio::io_context& io, TurnServer server) {
  if (server.transport == TurnServer::Transport::udp) {
    const auto socket = StunSocket::open(io.get_executor(), server.endpoint.v6);
    if (!socket) co_return false;
    StunTiming timing;
    timing.give_up = kAnswer;
    std::vector<StunQuestion> questions{StunQuestion{server.endpoint}};
    const auto replies = co_await socket->ask(std::move(questions), timing);
    co_return replies[0].has_value();
  }
  asio::ip::tcp::socket socket(io);
  const auto address = asio::ip::make_address(server.endpoint.address_text());
  const auto [error] = co_await socket.async_connect({address, server.endpoint.port}, kAwait);
  co_return !error;
}

}  // namespace

asio::awaitable<TurnServerReport> check_turn_server(asio::io_context& io, TurnServer server,
                                                    bool allow_loopback) {
  TurnServerReport out{server.endpoint, server.transport, {}, {}, false};
  const base::TimePoint start = base::Clock::now();
  {
    const EndOfGathering held{std::make_shared<Gathering>(io, relay_config(server, allow_loopback))};
    co_await held.gathering->run();
    out.relayed = held.gathering->relayed();
  }
  out.took = base::Clock::now() - start;
  out.answered = out.relayed.has_value();
  if (!out.relayed) out.answered = (co_await base::within(kAnswer, answers(io, server))).value_or(false);
  co_return out;
}

}  // namespace p2pd::net
