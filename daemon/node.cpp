#include "daemon/node.hpp"

#include <cstdlib>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/log.hpp"
#include "base/random.hpp"
#include "base/watchdog.hpp"
#include "daemon/api_document.hpp"
#include "daemon/folders.hpp"
#include "daemon/net_json.hpp"
#include "daemon/rpc.hpp"
#include "daemon/status_json.hpp"
#include "daemon/stun_names.hpp"
#include "proto/file_name.hpp"

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
using base::PeerId;
using base::Result;
using nlohmann::json;

// Relay datagrams of all planes that may wait for the control thread.
constexpr std::size_t kToRelays = 8192;
constexpr auto kStopPlanes = std::chrono::seconds(3);
// Names that did not resolve are tried again; the network may not be up at start.
constexpr auto kResolveAgain = std::chrono::seconds(30);

bool debug_wanted() {
  const char* value = std::getenv("P2PD_DEBUG");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(asio::io_context& io, Options options, Sources sources) {
  auto lock = lock_state_folder(options.state_dir);
  if (!lock) return lock.error();
  auto identity = net::Identity::load_or_create(options.state_dir / "peer.key");
  if (!identity) return identity.error();
  auto store = store::Store::open((options.state_dir / "p2pd.db").string());
  if (!store) return store.error();
  if (const auto& report = (*store)->opened_report(); report.set_aside) {
    base::log::error(
        "store",
        "the database was damaged; it was set aside and an empty one made. Peers must be added again",
        {{"set_aside", *report.set_aside}, {"damage", report.damage}});
  }
  return std::unique_ptr<Node>(new Node(io, std::move(options), std::move(sources), std::move(*lock),
                                        std::move(*identity), std::move(*store)));
}

Node::Node(asio::io_context& io, Options options, Sources sources, base::Descriptor lock,
           std::shared_ptr<const net::Identity> identity, std::unique_ptr<store::Store> store)
    : io_(io),
      options_(std::move(options)),
      sources_(std::move(sources)),
      lock_(std::move(lock)),
      identity_(std::move(identity)),
      instance_(base::random_u64()),
      store_(std::move(store)),
      book_(identity_->id()),
      tasks_(io.get_executor()),
      network_(io.get_executor(), [this](const std::string& reason) { on_network_changed(reason); }),
      service_(sources_.manager, *this),
      resolve_pause_(io),
      methods_("p2pd", P2PD_VERSION) {
  hub_ = std::make_unique<RelayHub>(io_.get_executor(), relay_config(), static_cast<RelayHubEvents&>(*this));
  events_ = std::make_unique<ipc::EventHub>(
      static_cast<ipc::EventSource&>(*this),
      std::vector<std::string>{"daemon", "relay", "peer", "message", "file", "service", "net"},
      [this](base::Duration wait, std::function<void()> task) { run_later(wait, std::move(task)); });
  board_ = std::make_unique<PeerBoard>(
      book_, *store_, *events_,
      [this](const PeerId& id, const std::vector<std::string>& urls) { hints_changed(id, urls); });
  board_->watch_all([this] { service_.changed(); });
  files_ = std::make_unique<FileBoard>(
      FileBoard::Config{options_.download_dir.string(),
                        std::string(proto::kPartialPrefix) + identity_->id().text().substr(0, 12) + "-",
                        options_.file_quota, options_.disk_reserve},
      io_, book_, *store_, *events_, file_worker_, static_cast<FilePeers&>(*this));
  services_ = std::make_unique<ServiceBoard>(
      io_,
      ServiceBoard::Config{options_.socket.string(), [this] { return post_here(); },
                           [this](const PeerId& peer, std::function<void(DataPlane&)> task) {
                             plane_of(peer).post(std::move(task));
                           }},
      book_, *store_, *events_);
  to_relays_ = std::make_unique<base::Mailbox<RelayDatagram>>(
      io_.get_executor(), kToRelays, [this](const RelayDatagram& datagram) { hub_->send(datagram); });
  mapper_ = std::make_unique<net::PortMapper>(io_.get_executor(), net::PortMapperConfig());
  mapper_->watch([this] { on_port_mapping(); });
  make_planes();
  make_pairings();
  net_ = std::make_unique<NetChecker>(io_, tasks_, [this]() -> const Options& { return options_; });
  quality_ = std::make_unique<QualityEvents>(*this, tasks_);
  events_->on_subscribed([this] { quality_->subscribed(); });
  doctor_ = std::make_unique<Doctor>(*this, tasks_);
  board_->set_doctor(*doctor_);
  net_->on_checked([this](const NetChecker::ResultPtr& result) {
    if (!events_->idle())
      events_->publish("net", "report", to_json(*result, hub_->status(), mapper_->status()));
  });

  methods_.set_details({api_shapes(), api_methods(), api_events()});
  add_daemon_methods(methods_, *this);
  add_peer_methods(methods_, *this);
  add_invite_methods(methods_, *this);
  add_connect_methods(methods_, *this);
  add_message_methods(methods_, *this);
  add_file_methods(methods_, *this);
  add_net_methods(methods_, *this);
  add_service_methods(methods_, *this);
  add_stream_methods(methods_, *this);
  events_->add_methods(methods_);
  if (debug_wanted()) add_debug_methods(methods_, *this);
  ipc::ServerOptions server;
  server.path = options_.socket.string();
  server.mode = options_.socket_mode;
  server.group = options_.socket_gid;
  // As the configuration is now: a reload counts for who connects from then on.
  server.authorise = [this](const ipc::Credentials& who) {
    return options_.access.tier_of(who, ::geteuid());
  };
  methods_.set_way_to([this](ipc::Tier tier) { return options_.access.way_to(tier); });
  server_ = std::make_unique<ipc::Server>(io_.get_executor(), methods_, server);
}

Node::~Node() = default;

void Node::make_planes() {
  DataPlane::Config config{
      .ice = {},
      .debug = debug_wanted(),
      .store = *store_,
      .files = *files_,
      .streams = *services_,
      .news = {.delivered =
                   [this](const PeerId& id, const std::vector<store::OutboxRef>& messages) {
                     asio::post(io_, [this, id, messages] { board_->messages_delivered(id, messages); });
                   },
               .received =
                   [this](const PeerId& id, const store::InboxCommit& commit) {
                     asio::post(io_, [this, id, commit] { board_->messages_received(id, commit); });
                   }},
      .observer = *board_,
      .control = io_.get_executor(),
      .to_relays = *to_relays_};
  config.ice.allow_loopback = options_.allow_loopback;
  config.ice.policy.allow_loopback = options_.allow_loopback;
  config.ice.mappings = mapper_.get();
  for (unsigned i = 0; i < options_.workers; ++i) planes_.push_back(std::make_unique<DataPlane>(config));
}

void Node::make_pairings() {
  const auto relays = [this] { return own_relays(); };
  Inviting::Config inviting;
  inviting.identity = identity_;
  inviting.own_relays = relays;
  inviting.post = post_here();
  inviting.paired = [this](const store::PeerRow& row, const std::string& invitation, bool fresh) {
    peer_paired(known_peer(row), invitation, fresh);
  };
  Joining::Config joining;
  joining.identity = identity_;
  joining.own_relays = relays;
  joining.post = post_here();
  joining.paired = [this](const KnownPeer& peer, const std::string& invitation) {
    peer_paired(peer, invitation, true);
  };
  pairings_ = std::make_unique<Pairings>(
      std::make_unique<Inviting>(io_.get_executor(), std::move(inviting), *store_, *hub_),
      std::make_unique<Joining>(io_.get_executor(), std::move(joining), book_, *store_, *hub_));
  hub_->set_pairing(*pairings_);
}

Result<void> Node::start() {
  // First of all: a socket that cannot be had must not cost a relay session.
  if (auto listening = server_->start(); !listening) return listening.error();
  for (auto& plane : planes_) plane->start();
  load_peers();
  pairings_->inviting().load();
  hub_->start();
  mapper_->start();
  mapper_->set_enabled(mapping_wanted());
  tasks_.spawn("watchdog", base::run_watchdog(service_.manager(), [this](std::function<void()> well) {
                 service_.check_health(std::move(well));
               }));
  start_resolving();
  network_.start();
  base::log::info("daemon", "started",
                  {{"version", P2PD_VERSION},
                   {"peer_id", identity_->id().text()},
                   {"state_dir", options_.state_dir.string()},
                   {"socket", options_.socket.string()}});
  if (options_.relays.empty()) base::log::warn("relay", hub_->trouble());
  return {};
}

// The peers live once the store has told of them and of what waits for them.
void Node::load_peers() {
  store_->load_peers(post_here(), [this](Result<std::vector<store::PeerRow>> rows) {
    if (!rows) {
      base::log::error("store", "the peers cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (store::PeerRow& row : *rows) book_.put(known_peer(std::move(row)));
  });
  store_->load_transfers(post_here(), [this](Result<std::vector<store::TransferRow>> rows) {
    if (rows) return files_->load(std::move(*rows));
    base::log::error("store", "the file transfers cannot be read", {{"error", rows.error().message()}});
  });
  store_->load_services(post_here(), [this](Result<std::vector<store::ServiceRow>> rows) {
    if (rows) return services_->load(std::move(*rows));
    base::log::error("store", "the services cannot be read", {{"error", rows.error().message()}});
  });
  store_->load_worked(post_here(), [this](const Result<std::vector<store::WorkedRow>>& rows) {
    if (!rows) {
      base::log::warn("store", "what worked before cannot be read", {{"error", rows.error().message()}});
      return;
    }
    for (const store::WorkedRow& row : *rows) {
      if (const auto base = proto::Endpoint::from_text(row.base, 0)) worked_.emplace(row.peer, *base);
    }
  });
  store_->outbox_counts(post_here(), [this](Result<std::vector<store::OutboxCount>> counts) {
    if (counts) {
      for (const auto& count : *counts) board_->set_waiting(count.peer, count.messages);
    }
    for (const auto& [id, peer] : book_.all()) begin_peer(peer);
    worked_.clear();
    files_->start();
    service_.ready();
  });
}

void Node::begin_peer(const KnownPeer& peer) {
  peer::PeerConfig config;
  config.identity = identity_;
  config.peer = peer.id;
  config.instance = instance_;
  config.message_epoch = store_->message_epoch();
  config.wanted = peer.wanted;
  config.outbox_waiting = board_->waiting(peer.id) > 0;
  config.direct_allowed = direct_allowed(peer);
  config.proxied = options_.proxy.has_value();
  config.candidates.allow_loopback = options_.allow_loopback;
  if (const auto worked = worked_.find(peer.id); worked != worked_.end())
    config.worked_before = worked->second;
  config.own_relays = own_relays();
  plane_of(peer.id).post([config = std::move(config)](DataPlane& plane) { plane.add(config); });
  hub_->set_peer(peer.id, peer.relays);
  service_.changed();
}

std::vector<std::string> Node::own_relays() const { return hub_->preferred(); }

void Node::tell_own_relays() {
  for (const auto& plane : planes_) {
    plane->post([urls = own_relays()](DataPlane& here) {
      here.for_each([&urls](const PeerId&, PeerNode& node) { node.peer().set_own_relays(urls); });
    });
  }
}

DataPlane& Node::plane_of(const PeerId& id) { return *planes_[std::hash<PeerId>()(id) % planes_.size()]; }

std::function<void(std::function<void()>)> Node::post_here() {
  return [this](std::function<void()> task) { asio::post(io_, std::move(task)); };
}

void Node::with_peer(const PeerId& id, std::function<void(PeerNode&)> task) {
  plane_of(id).post([id, task = std::move(task)](DataPlane& plane) {
    if (PeerNode* node = plane.find(id)) task(*node);
  });
}

std::string Node::name_of(const PeerId& id) const {
  const KnownPeer* known = book_.find(id);
  return known == nullptr ? "" : known->name;
}

void Node::peer_changed(const KnownPeer& peer) {
  const bool fresh = book_.find(peer.id) == nullptr;
  book_.put(peer);
  if (fresh) {
    begin_peer(peer);
    return;
  }
  hub_->set_peer(peer.id, peer.relays);
  with_peer(peer.id,
            [allowed = direct_allowed(peer)](PeerNode& node) { node.peer().set_direct_allowed(allowed); });
}

void Node::peer_paired(const KnownPeer& peer, const std::string& invitation, bool fresh) {
  peer_changed(peer);
  if (!fresh) return;
  events_->publish("peer", "paired",
                   {{"id", peer.id.text()}, {"name", peer.name}, {"invitation", invitation}}, peer.id.text());
}

void Node::peer_removed(const PeerId& id) {
  book_.erase(id);
  hub_->remove_peer(id);
  board_->forget(id);
  doctor_->forget(id);
  files_->forget(id);
  services_->forget(id);
  plane_of(id).post([id](DataPlane& plane) { plane.remove(id, net::CloseCode::removed); });
}

void Node::hints_changed(const PeerId& id, const std::vector<std::string>& urls) {
  const KnownPeer* known = book_.find(id);
  if (known == nullptr) return;
  KnownPeer peer = *known;
  peer.relays.clear();
  for (const std::string& text : urls) {
    const auto url = net::RelayUrl::parse(text);
    if (url && peer.relays.size() < 3) peer.relays.push_back(url->text());
  }
  if (peer.relays.empty() || peer.relays == known->relays) return;
  book_.put(peer);
  hub_->set_peer(id, peer.relays);
  store_->set_relays(id, peer.relays, post_here(), [](const Result<void>& stored) {
    if (!stored)
      base::log::warn("store", "a peer's relays were not kept", {{"error", stored.error().message()}});
  });
}

void Node::send_file(const PeerId& peer, peer::OutgoingFile file) {
  with_peer(peer, [file = std::move(file)](PeerNode& node) { node.peer().send_file(file); });
}

void Node::cancel_incoming_file(const PeerId& peer, const proto::TransferId& id) {
  with_peer(peer, [id](PeerNode& node) { node.peer().cancel_incoming_file(id); });
}

asio::any_io_executor Node::thread_of(const PeerId& peer) { return plane_of(peer).executor(); }

void Node::on_relay_datagram(RelayDatagram datagram) {
  const PeerId peer = datagram.peer;
  plane_of(peer).relay_datagram(std::move(datagram));
}

void Node::on_presence(const PeerId& peer, peer::Presence presence) {
  with_peer(peer, [presence](PeerNode& node) { node.peer().on_presence(presence); });
}

void Node::on_relays_changed(const std::string& url, std::string_view state, const std::string& reason,
                             bool online) {
  for (auto& plane : planes_) plane->post([online](DataPlane& here) { here.set_relay_online(online); });
  events_->publish("relay", "state",
                   {{"url", url}, {"state", state}, {"reason", reason.empty() ? json() : json(reason)}});
  service_.changed();
}

void Node::on_home_changed(const std::string& url) {
  tell_own_relays();
  events_->publish("relay", "home", {{"url", url}});
}

std::variant<std::string, ipc::ApiError> Node::find_peer(std::string_view text) {
  const auto found = book_.find(text);
  if (!found) return to_api_error(found.error());
  return (*found)->id.text();
}

void Node::snapshot(const std::vector<std::string>& topics, const std::vector<std::string>& peers,
                    std::function<void(const json&)> done) {
  const bool files = std::find(topics.begin(), topics.end(), "file") != topics.end();
  status_snapshot(*this, [this, peers, files, done = std::move(done)](json state) {
    const auto wanted = [&peers](const std::string& id) {
      return peers.empty() || std::find(peers.begin(), peers.end(), id) != peers.end();
    };
    json& shown = state.at("peers");
    shown.erase(std::remove_if(shown.begin(), shown.end(),
                               [&wanted](const json& peer) { return !wanted(peer.at("id")); }),
                shown.end());
    if (files) {
      json& transfers = state["files"] = json::array();
      for (const TransferView& transfer : files_->list(std::nullopt)) {
        if (wanted(transfer.row.peer.text())) transfers.push_back(to_json(transfer));
      }
    }
    done(state);
  });
}

// Nothing of it runs after stop().
void Node::run_later(base::Duration wait, std::function<void()> task) {
  tasks_.spawn("later", wait_and_run(wait, std::move(task)));
}

asio::awaitable<void> Node::wait_and_run(base::Duration wait, std::function<void()> task) {
  asio::steady_timer timer(io_, wait);
  const auto [stopped] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!stopped) task();
}

RelayHub::Config Node::relay_config() const {
  return {identity_,         options_.relays, options_.relay_ca, options_.relay_token,
          options_.presence, options_.proxy};
}

void Node::on_network_changed(const std::string& reason) {
  base::log::info("net", "the network changed", {{"what", reason}});
  hub_->network_changed();
  mapper_->network_changed();
  net_->changed();
  for (auto& plane : planes_) {
    plane->post([](DataPlane& here) {
      here.for_each([](const PeerId&, PeerNode& node) { node.peer().on_network_changed(); });
    });
  }
  start_resolving();
  events_->publish("net", "changed", {{"what", reason}});
}

void Node::on_port_mapping() {
  const net::PortMapperStatus status = mapper_->status();
  events_->publish_latest("net", "port_mapping", to_json(status));
  const bool maps = status.state == net::PortMapperStatus::State::mapping;
  if (!std::exchange(maps_ports_, maps) && maps) {
    for (auto& plane : planes_) {
      plane->post([](DataPlane& here) {
        here.for_each([](const PeerId&, PeerNode& node) { node.peer().on_port_mapping(); });
      });
    }
  }
}

// Without direct paths no name is asked for.
void Node::start_resolving() {
  ++resolve_round_;
  resolve_pause_.cancel();
  if (options_.direct) tasks_.spawn("resolve STUN servers", resolve_stun(resolve_round_));
}

// STUN servers are asked by address; their names are looked up here, off the data plane.
asio::awaitable<void> Node::resolve_stun(std::uint64_t round) {
  for (bool missing = true; missing;) {
    StunAddresses found = co_await look_up_stun(stun_names(options_));
    if (round != resolve_round_) co_return;
    TurnAddresses turn = co_await look_up_turn(options_.turn, options_.turn_secret);
    if (round != resolve_round_) co_return;
    missing = found.missing || turn.missing;
    mapper_->set_stun_servers(found.servers);
    for (auto& plane : planes_) {
      plane->post([stun = found.servers, turn = turn.servers](DataPlane& here) {
        here.set_stun_servers(stun);
        here.set_turn_servers(turn);
      });
    }
    if (!missing) co_return;
    resolve_pause_.expires_after(kResolveAgain);
    const auto [stopped] = co_await resolve_pause_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (stopped) co_return;
  }
}

// Connections are closed with a reason and agents return their allocations; a plane that takes too long is
// left to the end of the process.
asio::awaitable<void> Node::stop_planes() {
  asio::steady_timer all_stopped(io_, kStopPlanes);
  auto running = std::make_shared<std::size_t>(planes_.size());
  for (auto& plane : planes_) {
    plane->stop([this, running, &all_stopped] {
      asio::post(io_, [running, &all_stopped] {
        if (--*running == 0) all_stopped.cancel();
      });
    });
  }
  co_await all_stopped.async_wait(asio::as_tuple(asio::use_awaitable));
  if (*running > 0) {
    base::log::error("daemon", "peers did not close in time, ending without them", {{"planes", *running}});
    std::_Exit(1);
  }
  for (auto& plane : planes_) plane->join();
}

asio::awaitable<void> Node::stop() {
  base::log::info("daemon", "stopping");
  service_.stopping();
  services_->stop();
  co_await server_->stop();
  co_await network_.stop();
  pairings_->stop();
  files_->stop();
  tasks_.cancel();
  co_await tasks_.join();
  co_await stop_planes();
  // After the planes: what their agents had mapped is theirs no more, and is deleted here.
  co_await mapper_->stop();
  // The last packets, the closes among them, wait in the mailbox: it is drained before this continues.
  co_await asio::post(io_, asio::use_awaitable);
  co_await hub_->stop();
  to_relays_->close();
  file_worker_.stop();
  store_->stop();
  base::log::info("daemon", "stopped");
}

}  // namespace p2pd::daemon
