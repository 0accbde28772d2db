// A daemon's standing session with one relay: it dials, proves this machine's key, keeps alive, and dials
// again for ever. The relay forwards datagrams by peer ID; it can neither read nor forge them (they are QUIC
// packets and authenticated Link frames), and it stamps the sender itself. Owned by the daemon's relay hub,
// control thread only. How it ends: co_await stop(), then destruction; no event follows the call to stop().
//
//   stopped --start()--> connecting --> authenticating --> online
//                            ^               | failed        | silent, closed, goodbye
//                            +---------- backing off <-------+
//
// Send queue: at most `queue_datagrams` and `queue_bytes`; when full the oldest datagram goes. Control frames
// go first and are never dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "net/identity.hpp"
#include "net/proxy_url.hpp"
#include "net/relay_url.hpp"
#include "proto/relay_frames.hpp"

namespace p2pd::net {

struct RelaySessionConfig {
  RelayUrl url;
  std::shared_ptr<const Identity> identity;
  std::string ca_file;  // PEM; empty: the system's certificate store
  std::optional<ProxyUrl> proxy;
  std::string token;  // for a relay with access control; a secret
  // The only key accepted of the relay, where it is known beforehand.
  std::optional<base::PeerId> relay_key;
  // Asked with the key that a relay claims, before this machine shows its own: whether another session of
  // this machine is with that relay already. Then this one dials again at its leisure. A relay keeps one
  // session a key, and one relay may be known by several URLs.
  std::function<bool(const base::PeerId& relay)> joined_already{};

  std::chrono::milliseconds connect_timeout{10'000};  // name, TCP, TLS, upgrade and authentication together
  std::chrono::milliseconds auth_timeout{5'000};      // challenge to welcome
  // Jittered and growing by a half, so that the wait after an outage stays in proportion to the outage.
  std::chrono::milliseconds backoff_min{250};
  std::chrono::milliseconds backoff_max{30'000};
  // After a failure that only a person can mend (certificate, key, permission).
  std::chrono::milliseconds refused_backoff{5'000};
  std::chrono::milliseconds superseded_backoff{60'000};
  // Between pings; two that stay unanswered end the session, so a dead relay is noticed within three of
  // these.
  std::chrono::milliseconds keepalive{3'000};
  std::size_t queue_datagrams = 256;
  std::size_t queue_bytes = 1024 * 1024;
};

class RelaySession;

// Called on the session's executor, never from inside a call into the session. Views are valid during the
// call. A handler may call send(), knock() and set_interest(), and must not destroy the session.
class RelayEvents {
 public:
  virtual void on_relay_online(RelaySession& session) = 0;
  // Once for each on_relay_online; `reason` is a sentence. A failed dial is told by last_error() only.
  virtual void on_relay_offline(RelaySession& session, const std::string& reason) = 0;
  virtual void on_relay_datagram(RelaySession& session, const base::PeerId& sender,
                                 base::ByteView datagram) = 0;
  virtual void on_relay_presence(RelaySession& session, const base::PeerId& peer,
                                 proto::RelayPresenceState state) = 0;
  virtual void on_relay_knock(RelaySession& session, const base::PeerId& sender, base::ByteView payload) = 0;
  // rtt() was measured anew.
  virtual void on_relay_rtt(RelaySession&) {}

 protected:
  ~RelayEvents() = default;
};

enum class RelaySessionState { stopped, connecting, authenticating, online, backing_off };
[[nodiscard]] std::string_view to_string(RelaySessionState state);

struct RelaySessionStats {
  std::uint64_t sent = 0;      // datagrams handed to TCP
  std::uint64_t received = 0;  // datagrams
  std::uint64_t dropped = 0;   // datagrams pushed out of the send queue
  std::uint64_t sessions = 0;  // times it came online
  std::uint64_t failures = 0;  // dials that failed
};

class RelaySession {
 public:
  RelaySession(boost::asio::any_io_executor executor, RelaySessionConfig config, RelayEvents& events);
  ~RelaySession();
  RelaySession(const RelaySession&) = delete;
  RelaySession& operator=(const RelaySession&) = delete;

  void start();
  // Gives what is queued 250 ms to leave, then cancels everything and waits for its end. May be called before
  // start() and again after it was awaited.
  [[nodiscard]] boost::asio::awaitable<void> stop();

  // Queues one datagram of 1 to max_payload() bytes. False: not online, or too big.
  bool send(const base::PeerId& to, base::ByteView datagram);
  // One knock of 1 to 128 bytes. False: not online.
  bool knock(const base::PeerId& to, base::ByteView payload);
  // Whose presence to ask for and whom to tell ours; kept over reconnects. Beyond what the relay takes the
  // last ones are left out, with a warning.
  void set_interest(std::vector<base::PeerId> peers);
  // For the next dial: the CA file is read again then. A session that is online stays.
  void set_credentials(std::string ca_file, std::string token);
  // Dials at once instead of waiting out the back-off, which starts anew.
  void retry_now();
  // A session whose own address is gone ends, one that stays is to prove within 1 s that it lives, and a dial
  // begins anew: TCP alone would notice after minutes.
  void network_changed();

  [[nodiscard]] bool online() const { return state() == RelaySessionState::online; }
  [[nodiscard]] RelaySessionState state() const;
  // Smoothed round trip (RFC 6298 section 2); unset until the first pong of the session.
  [[nodiscard]] std::optional<base::Duration> rtt() const;
  [[nodiscard]] const RelayUrl& url() const;
  // Why the last dial or session ended, a sentence; empty while online and before the first failure.
  [[nodiscard]] const std::string& last_error() const;
  // The key the relay proved; unset until the first welcome.
  [[nodiscard]] std::optional<base::PeerId> relay_id() const;
  [[nodiscard]] std::size_t max_payload() const;
  [[nodiscard]] RelaySessionStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pd::net
