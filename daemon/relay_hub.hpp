// All relay sessions of the daemon: the configured ones and those that peers are reached by. It picks the
// relay for each datagram, drops what strangers send before anything looks at it, and merges presence.
// Control thread. How it ends: co_await stop(), then destruction.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/task_group.hpp"
#include "daemon/home_relay.hpp"
#include "daemon/pairing_port.hpp"
#include "daemon/relay_uplink.hpp"
#include "net/relay_session.hpp"
#include "peer/ports.hpp"

namespace p2pd::daemon {

// What the hub tells; called on the control thread.
class RelayHubEvents {
 public:
  virtual void on_relay_datagram(RelayDatagram datagram) = 0;
  virtual void on_presence(const base::PeerId& peer, peer::Presence presence) = 0;
  // A session came up (online), went down (connecting) or is not kept any more (offline); `online`: at least
  // one is up.
  virtual void on_relays_changed(const std::string& url, std::string_view state, const std::string& reason,
                                 bool online) = 0;
  // Another of the configured relays is home (home_relay.hpp).
  virtual void on_home_changed(const std::string& url) = 0;

 protected:
  ~RelayHubEvents() = default;
};

class RelayHub final : public PairingRelays, private net::RelayEvents {
 public:
  struct Config {
    std::shared_ptr<const net::Identity> identity;
    std::vector<net::RelayUrl> relays;  // at most 3
    std::string ca_file;
    std::string token;
    bool tell_presence = true;
    std::optional<net::ProxyUrl> proxy;
  };
  struct Status {
    std::string url;
    bool configured = true;  // else: a peer's
    bool home = false;
    bool online = false;
    std::optional<base::Duration> rtt;
    std::string last_error;

    [[nodiscard]] bool operator==(const Status&) const = default;
  };

  RelayHub(boost::asio::any_io_executor executor, Config config, RelayHubEvents& events);
  ~RelayHub();

  // Who is told of knocks and of datagrams from strangers it waits for; outlives the sessions. Call before
  // start().
  void set_pairing(PairingTraffic& pairing) { pairing_ = &pairing; }
  void start();
  [[nodiscard]] boost::asio::awaitable<void> stop();
  // Everything but the identity is taken over. Relays that stay keep their sessions, also with another CA or
  // token, which the next dial uses. One that goes stays for some seconds, so that peers which are connected
  // by it find the others meanwhile.
  void reconfigure(Config config);

  // Whose datagrams are let in, and by which further relays they are reached. Replaces what was there.
  void set_peer(const base::PeerId& peer, const std::vector<std::string>& relays);
  void remove_peer(const base::PeerId& peer);
  void send(const RelayDatagram& datagram);
  // Dials at once instead of waiting out the back-off.
  void retry_now();
  // Sessions prove that they live, or dial anew.
  void network_changed();

  [[nodiscard]] bool online() const;
  // Configured relays first.
  [[nodiscard]] std::vector<Status> status() const;
  // The configured relays, home first.
  [[nodiscard]] std::vector<std::string> preferred() const;
  [[nodiscard]] peer::Presence presence(const base::PeerId& peer) const;
  // Why no relay is reachable, a sentence.
  [[nodiscard]] std::string trouble() const;

  [[nodiscard]] std::optional<base::PeerId> relay_key(const std::string& url) const override;
  bool knock_by(const std::string& url, const base::PeerId& to, base::ByteView payload) override;
  bool send_by(const std::string& url, const base::PeerId& to, base::ByteView datagram) override;
  void visit(Visit visit, const std::vector<std::string>& urls) override;
  void leave(Visit visit) override;
  [[nodiscard]] std::string trouble_of(const std::vector<std::string>& urls) const override;

 private:
  struct Session {
    std::unique_ptr<net::RelaySession> relay;
    bool configured = false;
    bool lingering = false;  // not configured any more, for a few seconds more
    bool leaving = false;
    std::optional<base::PeerId> other_name_of;  // the relay that is connected under another URL
  };
  struct PeerEntry {
    std::set<std::string> relays;  // further ones, by URL
    std::map<net::RelaySession*, peer::Presence> presence;
    net::RelaySession* heard_on = nullptr;
    base::TimePoint heard_at{};
    peer::Presence told = peer::Presence::unknown;
  };

  void on_relay_online(net::RelaySession& session) override;
  void on_relay_offline(net::RelaySession& session, const std::string& reason) override;
  void on_relay_datagram(net::RelaySession& session, const base::PeerId& sender,
                         base::ByteView payload) override;
  void on_relay_presence(net::RelaySession& session, const base::PeerId& peer,
                         proto::RelayPresenceState state) override;
  void on_relay_knock(net::RelaySession& session, const base::PeerId& sender,
                      base::ByteView payload) override;
  void on_relay_rtt(net::RelaySession& session) override;

  [[nodiscard]] bool joined_already(const std::string& url, const base::PeerId& relay);
  // Whether one of these URLs is this session's, or another name of its relay.
  [[nodiscard]] bool named(const std::set<std::string>& urls, const net::RelaySession& session) const;
  void update_home();
  void linger(const std::string& url);
  void add_session(const net::RelayUrl& url, bool configured);
  // A session beside the configured ones. False: there are too many.
  bool add_further(const net::RelayUrl& url);
  // By a peer or by a pairing.
  [[nodiscard]] bool used(const std::string& url) const;
  [[nodiscard]] net::RelaySession* online_session(const std::string& url) const;
  void drop_unused_sessions();
  void update_interest();
  [[nodiscard]] std::vector<base::PeerId> known_peers() const;
  void tell_presence(const base::PeerId& peer, PeerEntry& entry);
  [[nodiscard]] std::vector<net::RelaySession*> routes(const PeerEntry& entry) const;

  boost::asio::any_io_executor executor_;
  Config config_;
  RelayHubEvents& events_;
  std::map<std::string, Session> sessions_;
  std::vector<std::string> order_;  // of the configured ones
  HomeRelay home_;
  std::unordered_map<base::PeerId, PeerEntry> peers_;
  std::map<Visit, std::set<std::string>> visits_;
  PairingTraffic* pairing_ = nullptr;
  base::TaskGroup tasks_;
  base::TaskGroup lingering_;
  bool stopping_ = false;
};

}  // namespace p2pd::daemon
