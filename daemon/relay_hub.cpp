#include "daemon/relay_hub.hpp"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/log.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using net::RelaySession;
using peer::Presence;

// Sessions beside the configured ones: peers can name relays of their own, but not without bound.
constexpr std::size_t kMaxFurtherSessions = 16;
// A relay that brought nothing from a peer for so long may have died, or lost the peer, without saying so.
constexpr auto kHeardLately = std::chrono::seconds(3);
// A peer hears of the new relays on the control stream and dials them: well within this.
constexpr auto kLinger = std::chrono::seconds(10);

Presence to_presence(proto::RelayPresenceState state) {
  switch (state) {
    case proto::RelayPresenceState::gone:
      return Presence::gone;
    case proto::RelayPresenceState::here:
      return Presence::here;
    case proto::RelayPresenceState::unavailable:
      return Presence::unavailable;
  }
  return Presence::unknown;
}

}  // namespace

RelayHub::RelayHub(boost::asio::any_io_executor executor, Config config, RelayHubEvents& events)
    : executor_(std::move(executor)),
      config_(std::move(config)),
      events_(events),
      tasks_(executor_),
      lingering_(executor_) {}

RelayHub::~RelayHub() = default;

void RelayHub::start() {
  for (const net::RelayUrl& url : config_.relays) {
    order_.push_back(url.text());
    add_session(url, true);
  }
}

boost::asio::awaitable<void> RelayHub::stop() {
  stopping_ = true;
  lingering_.cancel();
  co_await lingering_.join();
  // Together: each may wait a moment for its last datagrams to leave.
  for (auto& [url, session] : sessions_) {
    if (!session.leaving) tasks_.spawn("relay session end", session.relay->stop());
  }
  co_await tasks_.join();
  sessions_.clear();
}

void RelayHub::reconfigure(Config config) {
  config.identity = config_.identity;
  config_ = std::move(config);
  order_.clear();
  for (const net::RelayUrl& url : config_.relays) order_.push_back(url.text());
  for (auto& [url, session] : sessions_) {
    const bool stays = std::find(order_.begin(), order_.end(), url) != order_.end();
    if (session.configured && !stays && !session.leaving) linger(url);
    session.configured = stays;
    session.relay->set_credentials(config_.ca_file, stays ? config_.token : "");
    // It may be waiting for exactly this.
    if (stays && !session.leaving) session.relay->retry_now();
  }
  for (const net::RelayUrl& url : config_.relays) add_session(url, true);
  update_home();
  update_interest();
  if (config_.tell_presence) return;
  for (auto& [id, entry] : peers_) {
    entry.presence.clear();
    tell_presence(id, entry);
  }
}

void RelayHub::linger(const std::string& url) {
  sessions_.at(url).lingering = true;
  lingering_.spawn("relay linger", [](RelayHub& hub, std::string name) -> boost::asio::awaitable<void> {
    boost::asio::steady_timer over(hub.executor_, kLinger);
    const auto [stopped] = co_await over.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    const auto found = hub.sessions_.find(name);
    if (stopped || found == hub.sessions_.end()) co_return;
    found->second.lingering = false;
    hub.drop_unused_sessions();
  }(*this, url));
}

void RelayHub::add_session(const net::RelayUrl& url, bool configured) {
  if (const auto found = sessions_.find(url.text()); found != sessions_.end()) {
    found->second.configured = found->second.configured || configured;
    return;
  }
  net::RelaySessionConfig config;
  config.url = url;
  config.identity = config_.identity;
  config.ca_file = config_.ca_file;
  config.proxy = config_.proxy;
  // The token is this user's secret for the relays he named, not for those that peers name.
  if (configured) config.token = config_.token;
  config.joined_already = [this, name = url.text()](const PeerId& relay) {
    return joined_already(name, relay);
  };
  Session session;
  session.configured = configured;
  session.relay =
      std::make_unique<RelaySession>(executor_, std::move(config), static_cast<net::RelayEvents&>(*this));
  RelaySession& relay = *session.relay;
  sessions_.emplace(url.text(), std::move(session));
  relay.start();
  if (config_.tell_presence) relay.set_interest(known_peers());
}

// A pairing talks to a relay by the URL in its ticket, so that one is dialled all the same.
bool RelayHub::joined_already(const std::string& url, const PeerId& relay) {
  const auto here = sessions_.find(url);
  if (here == sessions_.end()) return false;
  here->second.other_name_of.reset();
  const bool visited = std::any_of(visits_.begin(), visits_.end(),
                                   [&url](const auto& visit) { return visit.second.contains(url); });
  if (visited) return false;
  const bool joined = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& other) {
    return other.first != url && !other.second.leaving && other.second.relay->online() &&
           other.second.relay->relay_id() == relay;
  });
  if (joined) here->second.other_name_of = relay;
  return joined;
}

bool RelayHub::named(const std::set<std::string>& urls, const RelaySession& session) const {
  if (urls.contains(session.url().text())) return true;
  return std::any_of(urls.begin(), urls.end(), [&](const std::string& url) {
    const auto found = sessions_.find(url);
    return found != sessions_.end() && found->second.other_name_of &&
           found->second.other_name_of == session.relay_id();
  });
}

bool RelayHub::add_further(const net::RelayUrl& url) {
  const auto further = std::count_if(sessions_.begin(), sessions_.end(),
                                     [](const auto& session) { return !session.second.configured; });
  if (!sessions_.contains(url.text()) && static_cast<std::size_t>(further) >= kMaxFurtherSessions)
    return false;
  if (!stopping_) add_session(url, false);
  return true;
}

bool RelayHub::used(const std::string& url) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [&url](const auto& peer) { return peer.second.relays.contains(url); }) ||
         std::any_of(visits_.begin(), visits_.end(),
                     [&url](const auto& visit) { return visit.second.contains(url); });
}

void RelayHub::set_peer(const PeerId& peer, const std::vector<std::string>& relays) {
  const bool fresh = !peers_.contains(peer);
  PeerEntry& entry = peers_[peer];
  entry.relays.clear();
  for (const std::string& text : relays) {
    const auto url = net::RelayUrl::parse(text);
    if (!url) {
      base::log::warn("relay", "a peer's relay is not usable", {{"peer", peer}, {"url", text}});
      continue;
    }
    entry.relays.insert(url->text());
    if (!add_further(*url)) {
      base::log::warn("relay", "a peer's relay is left out, too many are in use",
                      {{"peer", peer}, {"url", text}});
    }
  }
  drop_unused_sessions();
  if (fresh) update_interest();
}

void RelayHub::remove_peer(const PeerId& peer) {
  if (peers_.erase(peer) == 0) return;
  drop_unused_sessions();
  update_interest();
}

void RelayHub::drop_unused_sessions() {
  for (auto& [url, session] : sessions_) {
    if (session.configured || session.lingering || session.leaving || used(url)) continue;
    session.leaving = true;
    tasks_.spawn("relay session end", [](RelayHub& hub, std::string name) -> boost::asio::awaitable<void> {
      RelaySession* relay = hub.sessions_.at(name).relay.get();
      co_await relay->stop();
      for (auto& [id, entry] : hub.peers_) {
        if (entry.heard_on == relay) entry.heard_on = nullptr;
        if (entry.presence.erase(relay) > 0) hub.tell_presence(id, entry);
      }
      if (hub.stopping_) co_return;
      hub.events_.on_relays_changed(name, "offline", "it is not used any more", hub.online());
      hub.sessions_.erase(name);
      // It may have thrown out another session with the same relay, or was the one that others kept clear of.
      hub.retry_now();
      // The user, a peer or a pairing may have named it again while it ended.
      const bool configured = std::find(hub.order_.begin(), hub.order_.end(), name) != hub.order_.end();
      const auto again = net::RelayUrl::parse(name);
      if (again && (configured || hub.used(name))) hub.add_session(*again, configured);
    }(*this, url));
  }
}

std::vector<PeerId> RelayHub::known_peers() const {
  std::vector<PeerId> ids;
  ids.reserve(peers_.size());
  for (const auto& [id, entry] : peers_) ids.push_back(id);
  return ids;
}

// Without presence nobody is told anything, also not what was told before.
void RelayHub::update_interest() {
  const std::vector<PeerId> ids = config_.tell_presence ? known_peers() : std::vector<PeerId>();
  for (auto& [url, session] : sessions_) {
    if (!session.leaving) session.relay->set_interest(ids);
  }
}

// The relay it was heard on a moment ago; else those that say it is here; else, as nobody can say, all that
// are up. QUIC drops the doubles, and the first answer settles it.
std::vector<RelaySession*> RelayHub::routes(const PeerEntry& entry) const {
  if (entry.heard_on != nullptr && entry.heard_on->online() &&
      base::Clock::now() - entry.heard_at < kHeardLately) {
    return {entry.heard_on};
  }
  std::vector<RelaySession*> up;
  std::vector<RelaySession*> here;
  for (const auto& [url, session] : sessions_) {
    RelaySession* relay = session.relay.get();
    if (session.leaving || !relay->online()) continue;
    const auto said = entry.presence.find(relay);
    if (said != entry.presence.end() && said->second == Presence::here) here.push_back(relay);
    if (session.configured || session.lingering || named(entry.relays, *relay)) up.push_back(relay);
  }
  return here.empty() ? up : here;
}

void RelayHub::send(const RelayDatagram& datagram) {
  const auto found = peers_.find(datagram.peer);
  if (found == peers_.end()) return;
  for (RelaySession* relay : routes(found->second)) relay->send(datagram.peer, datagram.bytes);
}

void RelayHub::retry_now() {
  for (auto& [url, session] : sessions_) {
    if (!session.leaving) session.relay->retry_now();
  }
}

void RelayHub::network_changed() {
  for (auto& [url, session] : sessions_) {
    if (!session.leaving) session.relay->network_changed();
  }
}

bool RelayHub::online() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
    return !session.second.leaving && session.second.relay->online();
  });
}

std::vector<RelayHub::Status> RelayHub::status() const {
  std::vector<Status> out;
  const auto add = [this, &out](const std::string& url, const Session& session) {
    out.push_back({url, session.configured, session.configured && url == home_.url(), session.relay->online(),
                   session.relay->rtt(), session.relay->last_error()});
  };
  for (const std::string& url : order_) {
    if (const auto found = sessions_.find(url); found != sessions_.end()) add(url, found->second);
  }
  for (const auto& [url, session] : sessions_) {
    if (!session.configured && !session.leaving) add(url, session);
  }
  return out;
}

std::vector<std::string> RelayHub::preferred() const {
  std::vector<std::string> out;
  out.reserve(config_.relays.size());
  for (const net::RelayUrl& url : config_.relays) out.push_back(url.text());
  const auto home = std::find(out.begin(), out.end(), home_.url());
  if (home != out.end()) std::rotate(out.begin(), home, std::next(home));
  return out;
}

void RelayHub::update_home() {
  std::vector<HomeRelay::Candidate> relays;
  for (const std::string& url : order_) {
    const auto found = sessions_.find(url);
    if (found == sessions_.end()) continue;
    relays.push_back({url, found->second.relay->online(), found->second.relay->rtt()});
  }
  if (!home_.update(relays, base::Clock::now())) return;
  base::log::info("relay", "home", {{"url", home_.url()}});
  events_.on_home_changed(home_.url());
}

void RelayHub::on_relay_rtt(RelaySession&) { update_home(); }

Presence RelayHub::presence(const PeerId& peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? Presence::unknown : found->second.told;
}

std::string RelayHub::trouble() const {
  if (sessions_.empty())
    return "no relay is configured: add `relay = wss://HOST` to p2pd.conf or start p2pd with --relay";
  std::string out;
  for (const auto& [url, session] : sessions_) {
    if (session.leaving || session.relay->online()) continue;
    out +=
        fmt::format("{}{}: {}", out.empty() ? "" : "; ", url,
                    session.relay->last_error().empty() ? "still connecting" : session.relay->last_error());
  }
  return out;
}

RelaySession* RelayHub::online_session(const std::string& url) const {
  const auto found = sessions_.find(url);
  if (found == sessions_.end() || found->second.leaving || !found->second.relay->online()) return nullptr;
  return found->second.relay.get();
}

std::optional<PeerId> RelayHub::relay_key(const std::string& url) const {
  const RelaySession* relay = online_session(url);
  return relay == nullptr ? std::nullopt : relay->relay_id();
}

bool RelayHub::knock_by(const std::string& url, const PeerId& to, base::ByteView payload) {
  RelaySession* relay = online_session(url);
  return relay != nullptr && relay->knock(to, payload);
}

bool RelayHub::send_by(const std::string& url, const PeerId& to, base::ByteView datagram) {
  RelaySession* relay = online_session(url);
  return relay != nullptr && relay->send(to, datagram);
}

void RelayHub::visit(Visit visit, const std::vector<std::string>& urls) {
  std::set<std::string>& wanted = visits_[visit];
  for (const std::string& text : urls) {
    const auto url = net::RelayUrl::parse(text);
    if (!url || !add_further(*url)) continue;
    wanted.insert(url->text());
    const auto known = sessions_.find(url->text());
    if (known != sessions_.end() && known->second.other_name_of) known->second.relay->retry_now();
  }
}

void RelayHub::leave(Visit visit) {
  if (visits_.erase(visit) > 0 && !stopping_) drop_unused_sessions();
}

std::string RelayHub::trouble_of(const std::vector<std::string>& urls) const {
  std::string out;
  for (const std::string& url : urls) {
    const auto found = sessions_.find(url);
    if (online_session(url) != nullptr) return "";
    const std::string why = found == sessions_.end()                    ? "too many relays are in use already"
                            : found->second.relay->last_error().empty() ? "still connecting"
                                                                        : found->second.relay->last_error();
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", url, why);
  }
  return out;
}

void RelayHub::on_relay_online(RelaySession& session) {
  events_.on_relays_changed(session.url().text(), "online", "", true);
  update_home();
  if (pairing_ != nullptr) pairing_->on_relay_up();
}

void RelayHub::on_relay_offline(RelaySession& session, const std::string& reason) {
  for (auto& [id, entry] : peers_) {
    if (entry.presence.erase(&session) > 0) tell_presence(id, entry);
    if (entry.heard_on == &session) entry.heard_on = nullptr;
  }
  events_.on_relays_changed(session.url().text(), "connecting", reason, online());
  update_home();
}

void RelayHub::on_relay_datagram(RelaySession& session, const PeerId& sender, base::ByteView payload) {
  if (pairing_ != nullptr && pairing_->pairing() &&
      pairing_->take_datagram(session.url().text(), sender, payload)) {
    return;
  }
  const auto found = peers_.find(sender);
  if (found == peers_.end()) return;  // a stranger: no state, no log line for each packet
  found->second.heard_on = &session;
  found->second.heard_at = base::Clock::now();
  events_.on_relay_datagram({sender, base::Bytes(payload.begin(), payload.end())});
}

void RelayHub::on_relay_presence(RelaySession& session, const PeerId& peer, proto::RelayPresenceState state) {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || !config_.tell_presence) return;
  found->second.presence[&session] = to_presence(state);
  tell_presence(peer, found->second);
}

void RelayHub::on_relay_knock(RelaySession& session, const PeerId& sender, base::ByteView payload) {
  const auto key = session.relay_id();
  if (pairing_ != nullptr && key) pairing_->on_knock(session.url().text(), *key, sender, payload);
}

// Here when any relay says so; gone only when all that speak of it say so.
void RelayHub::tell_presence(const PeerId& peer, PeerEntry& entry) {
  Presence merged = Presence::unknown;
  for (const auto& [session, presence] : entry.presence) {
    if (presence == Presence::here || merged == Presence::unknown) merged = presence;
  }
  if (merged == entry.told) return;
  entry.told = merged;
  events_.on_presence(peer, merged);
}

}  // namespace p2pd::daemon
