// p2p-relay's heart: it listens, admits, authenticates and serves clients, each in one coroutine tree. What
// it forwards is end-to-end encrypted by the peers: the relay learns who talks to whom, when and how much,
// and can neither read nor forge a byte of it. Owned by main (or a test), one io_context, one thread. How it
// ends: co_await drain(), then destruction.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "base/result.hpp"
#include "base/task_group.hpp"
#include "net/identity.hpp"
#include "net/relay_url.hpp"
#include "relay/authentication.hpp"
#include "relay/client.hpp"
#include "relay/files.hpp"
#include "relay/limits.hpp"
#include "relay/metrics.hpp"
#include "relay/metrics_server.hpp"
#include "relay/rate.hpp"
#include "relay/registry.hpp"
#include "relay/stun_server.hpp"

namespace p2pd::relay {

struct ServerConfig {
  std::vector<boost::asio::ip::tcp::endpoint> listen;
  std::vector<boost::asio::ip::udp::endpoint> stun_listen;
  std::optional<boost::asio::ip::tcp::endpoint> metrics;
  std::string tls_certificate;  // PEM files; empty: plain ws
  std::string tls_key;
  // How clients write this relay; a hello signed for another host and port is refused. Empty: any, which
  // leaves a relay without TLS of its own open to who passes on a hello that was meant for him.
  std::vector<net::RelayUrl> public_urls;
  std::string access = "open";
  Limits limits;
};

class Server {
 public:
  Server(boost::asio::any_io_executor executor, ServerConfig config,
         std::shared_ptr<const net::Identity> identity);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Reads the access and TLS files, binds everything, and serves from then on. Errors name the address or
  // file.
  [[nodiscard]] base::Result<> start();
  // Reads the access and TLS files again (Files::reload says what an error leaves) and ends the clients that
  // are not permitted any more. Sessions keep the TLS they have; new ones get the new certificate.
  [[nodiscard]] base::Result<> reload();
  // Accepts no more, says goodbye to every client, waits for them to go, then ends what is left: within
  // Limits::drain.
  [[nodiscard]] boost::asio::awaitable<void> drain();

  // Where it listens, with the ports that the system chose.
  [[nodiscard]] std::vector<boost::asio::ip::tcp::endpoint> addresses() const;
  [[nodiscard]] std::vector<boost::asio::ip::udp::endpoint> stun_addresses() const;
  [[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> metrics_address() const;
  [[nodiscard]] const Metrics& metrics() const { return metrics_; }

 private:
  using Acceptor = boost::asio::ip::tcp::acceptor;

  [[nodiscard]] base::Result<> listen(const boost::asio::ip::tcp::endpoint& endpoint);
  [[nodiscard]] boost::asio::awaitable<void> accept_clients(Acceptor& acceptor);
  [[nodiscard]] bool admit(const boost::asio::ip::address& address);
  [[nodiscard]] boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  [[nodiscard]] boost::asio::awaitable<void> serve_client(std::unique_ptr<net::RelayTransport> transport,
                                                          Credential credential,
                                                          boost::asio::ip::tcp::endpoint remote);
  [[nodiscard]] boost::asio::awaitable<base::Result<Credential>> establish(
      boost::asio::ip::tcp::socket socket, std::unique_ptr<net::RelayTransport>& transport);
  [[nodiscard]] std::optional<proto::RelayGoodbye> judge(const Credential& credential);
  void note_files();
  void count_refusal(const base::Error& error);
  [[nodiscard]] boost::asio::awaitable<void> sweep();

  boost::asio::any_io_executor executor_;
  const ServerConfig config_;
  std::shared_ptr<const net::Identity> identity_;
  Files files_;

  Metrics metrics_;
  Registry registry_;
  BudgetTable<base::PeerId, TrafficBudget> key_budgets_;
  BudgetTable<AddressPrefix, TrafficBudget, AddressPrefixHash> address_budgets_;
  BudgetTable<AddressPrefix, TokenBucket, AddressPrefixHash> handshakes_;
  KnockBudgets knocks_;
  std::uint64_t sessions_at_trim_ = 0;
  std::unordered_set<Client*> clients_;

  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::unique_ptr<StunServer> stun_;
  std::unique_ptr<MetricsServer> metrics_server_;
  base::TaskGroup listeners_;
  base::TaskGroup connections_;
};

// "127.0.0.1:80", "[::1]:80"
[[nodiscard]] std::string to_text(const boost::asio::ip::address& address, std::uint16_t port);

}  // namespace p2pd::relay
