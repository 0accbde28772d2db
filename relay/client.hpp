// One authenticated client: its reader, its writer and the bounded queue between the others and its socket.
// It forwards frames by peer ID and stamps who sent them; payloads are end-to-end encrypted and authenticated
// by the peers, and the relay, which holds none of their keys, can neither read nor forge one. Owned by the
// coroutine that serves the connection, server's thread. How it ends: run() returns, after finish(), abort()
// or the client's own end.
//
// Send queue: Limits::queue_packets and queue_bytes, the oldest packet is dropped; control frames go first.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "net/relay_queue.hpp"
#include "net/relay_transport.hpp"
#include "proto/relay_frames.hpp"
#include "relay/access.hpp"
#include "relay/knock_budgets.hpp"
#include "relay/limits.hpp"
#include "relay/metrics.hpp"
#include "relay/rate.hpp"
#include "relay/registry.hpp"

namespace p2pd::relay {

// What the clients of one server share.
struct ClientContext {
  const Limits& limits;
  Registry& registry;
  Metrics& metrics;
  KnockBudgets& knocks;
};

class Client final : private RegisteredClient {
 public:
  struct Budgets {
    std::shared_ptr<TrafficBudget> key;
    std::shared_ptr<TrafficBudget> address;
  };

  Client(ClientContext context, std::unique_ptr<net::RelayTransport> transport, const Credential& credential,
         const AddressPrefix& address, Budgets budgets);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // From registration to the end of the connection.
  [[nodiscard]] boost::asio::awaitable<void> run();
  // Says goodbye in place of all that waits, then closes. Later calls are without effect.
  void finish(proto::RelayGoodbyeCode code, std::string_view text);
  [[nodiscard]] bool finishing() const { return finishing_since_.has_value(); }
  // Ends the dead, the slow and those whose goodbye does not get through; pings the silent.
  void sweep(base::TimePoint now);

  [[nodiscard]] const Credential& credential() const { return credential_; }

 private:
  void deliver(base::Bytes frame) override;
  void on_presence(const base::PeerId& peer, proto::RelayPresenceState state) override;
  void on_superseded() override;

  // Both tell by their return that the session is over.
  [[nodiscard]] boost::asio::awaitable<bool> read_frames();
  [[nodiscard]] boost::asio::awaitable<bool> write_frames();
  void handle(base::ByteView message);
  void handle_send(const proto::RelaySend& frame);
  void handle_knock(const proto::RelayKnock& frame);
  void handle_interest(const proto::RelayInterest& frame);
  void protocol_error(std::string_view text);
  void queue_control(base::Bytes frame);

  ClientContext context_;
  std::unique_ptr<net::RelayTransport> transport_;
  const Credential credential_;
  const base::PeerId& id_ = credential_.client;
  const AddressPrefix address_;
  Budgets budgets_;
  TokenBucket control_;
  net::RelayQueue queue_;
  boost::asio::steady_timer wake_;  // the writer waits on it for a frame
  base::TimePoint last_heard_;
  std::optional<base::TimePoint> pinged_;
  std::optional<base::TimePoint> writing_since_;
  std::optional<base::TimePoint> finishing_since_;
};

}  // namespace p2pd::relay
