// The daemon as one object: what local programs ask comes in by the API server, goes to the data plane on
// which the peer lives, and leaves by the relays or by the peer's own ICE agent; the store keeps what must
// survive. Control thread, but where it says otherwise. How it ends: co_await stop(), then destruction.
//
//   ipc::Server -- method table --> Node --+--> DataPlane (peer::Peer: QUIC over Link) --> ICE, or RelayHub
//   --> relays
//                                          +--> store::Store
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/service_manager.hpp"
#include "base/task_group.hpp"
#include "daemon/address_book.hpp"
#include "daemon/data_plane.hpp"
#include "daemon/doctor.hpp"
#include "daemon/file_board.hpp"
#include "daemon/message_intake.hpp"
#include "daemon/net_checker.hpp"
#include "daemon/options.hpp"
#include "daemon/pairings.hpp"
#include "daemon/peer_board.hpp"
#include "daemon/quality_events.hpp"
#include "daemon/relay_hub.hpp"
#include "daemon/reload.hpp"
#include "daemon/service.hpp"
#include "daemon/service_board.hpp"
#include "ipc/server.hpp"
#include "net/network_watch.hpp"
#include "net/port_mapper.hpp"

namespace p2pd::daemon {

class Node final : private RelayHubEvents, private ipc::EventSource, private FilePeers {
 public:
  // What it has of the program around it.
  struct Sources {
    const base::ServiceManager& manager;
    std::function<base::Result<Options>()> read_options;  // again, for a reload
  };
  // Takes the state folder, reads the key, opens the database. Errors are sentences with a next step. What is
  // given by reference outlives the Node.
  [[nodiscard]] static base::Result<std::unique_ptr<Node>> open(boost::asio::io_context& io, Options options,
                                                                Sources sources);
  ~Node() override;

  // Starts everything; afterwards the socket answers. Call once.
  [[nodiscard]] base::Result<void> start();
  // No more requests, then peers, relays, store; at most about 5 s.
  [[nodiscard]] boost::asio::awaitable<void> stop();
  // Reads the whole configuration again and takes over what can change while it runs; no connection ends.
  // Error: invalid_config with every mistake in one sentence, and then nothing has changed.
  [[nodiscard]] base::Result<ReloadPlan> reload();

  // --- for the API's handlers ---
  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const base::PeerId& id() const { return identity_->id(); }
  [[nodiscard]] AddressBook& book() { return book_; }
  [[nodiscard]] RelayHub& relays() { return *hub_; }
  [[nodiscard]] PeerBoard& board() { return *board_; }
  [[nodiscard]] Pairings& pairings() { return *pairings_; }
  [[nodiscard]] store::Store& store() { return *store_; }
  [[nodiscard]] MessageIntake& intake() { return intake_; }
  [[nodiscard]] FileBoard& files() { return *files_; }
  [[nodiscard]] ServiceBoard& services() { return *services_; }
  [[nodiscard]] NetChecker& net() { return *net_; }
  [[nodiscard]] const net::PortMapper& mapper() const { return *mapper_; }
  [[nodiscard]] Doctor& doctor() { return *doctor_; }
  [[nodiscard]] ipc::EventHub& events() { return *events_; }
  [[nodiscard]] const ipc::MethodTable& methods() const { return methods_; }
  // For completions of the store and of peers: runs them on the control thread.
  [[nodiscard]] std::function<void(std::function<void()>)> post_here();

  using PeerStatuses = std::vector<std::pair<base::PeerId, peer::PeerStatus>>;
  // The state of one peer, or of all; `done` runs later on the control thread. Planes that have done nothing
  // since all were asked are not woken.
  void collect(std::optional<base::PeerId> peer, std::function<void(const PeerStatuses&)> done);
  // Runs `task` with the peer on its data-plane thread; nothing when it is not there any more.
  void with_peer(const base::PeerId& id, std::function<void(PeerNode&)> task);
  template <class Visit>
  void for_each_plane(Visit visit) {
    for (const auto& plane : planes_) visit(*plane);
  }

  // What a peer is called here; empty when it is not known (any more).
  [[nodiscard]] std::string name_of(const base::PeerId& id) const;

  // The store has it already: a new peer is let in and lives from now on, a known one gets its new settings.
  void peer_changed(const KnownPeer& peer);
  void peer_removed(const base::PeerId& id);

 private:
  Node(boost::asio::io_context& io, Options options, Sources sources, base::Descriptor lock,
       std::shared_ptr<const net::Identity> identity, std::unique_ptr<store::Store> store);

  void on_relay_datagram(RelayDatagram datagram) override;
  void on_presence(const base::PeerId& peer, peer::Presence presence) override;
  void on_relays_changed(const std::string& url, std::string_view state, const std::string& reason,
                         bool online) override;
  void on_home_changed(const std::string& url) override;
  void tell_own_relays();
  [[nodiscard]] std::variant<std::string, ipc::ApiError> find_peer(std::string_view text) override;
  void snapshot(const std::vector<std::string>& topics, const std::vector<std::string>& peers,
                std::function<void(const nlohmann::json&)> done) override;

  void send_file(const base::PeerId& peer, peer::OutgoingFile file) override;
  void cancel_incoming_file(const base::PeerId& peer, const proto::TransferId& id) override;
  [[nodiscard]] boost::asio::any_io_executor thread_of(const base::PeerId& peer) override;

  // The state of all peers, and by what it is known to hold: each plane's turns, and for the times in it,
  // which grow by themselves, when it was asked for.
  struct Collected {
    PeerStatuses statuses;
    base::TimePoint asked;
    std::vector<std::uint64_t> turns;
  };
  [[nodiscard]] bool still_holds(const Collected& collected) const;
  void collect_from(const std::vector<DataPlane*>& planes, std::optional<base::PeerId> peer,
                    std::function<void(PeerStatuses)> done);
  [[nodiscard]] DataPlane& plane_of(const base::PeerId& id);
  void make_planes();
  void make_pairings();
  void peer_paired(const KnownPeer& peer, const std::string& invitation, bool fresh);
  void load_peers();
  void begin_peer(const KnownPeer& peer);
  [[nodiscard]] std::vector<std::string> own_relays() const;
  [[nodiscard]] bool direct_allowed(const KnownPeer& peer) const { return options_.direct && peer.direct; }
  [[nodiscard]] bool mapping_wanted() const { return options_.direct && options_.port_mapping; }
  void hints_changed(const base::PeerId& id, const std::vector<std::string>& urls);
  [[nodiscard]] RelayHub::Config relay_config() const;
  void run_later(base::Duration wait, std::function<void()> task);
  [[nodiscard]] boost::asio::awaitable<void> wait_and_run(base::Duration wait, std::function<void()> task);
  [[nodiscard]] base::Result<ReloadPlan> read_and_apply();
  void apply(const std::vector<std::string>& changed);
  void start_resolving();
  void on_network_changed(const std::string& reason);
  void on_port_mapping();
  [[nodiscard]] boost::asio::awaitable<void> resolve_stun(std::uint64_t round);
  [[nodiscard]] boost::asio::awaitable<void> stop_planes();

  boost::asio::io_context& io_;
  Options options_;
  const Sources sources_;
  base::Descriptor lock_;
  std::shared_ptr<const net::Identity> identity_;
  const std::uint64_t instance_;  // of this start
  std::unique_ptr<store::Store> store_;
  AddressBook book_;
  base::TaskGroup tasks_;
  net::NetworkWatch network_;
  Service service_;
  std::unique_ptr<RelayHub> hub_;
  std::unique_ptr<ipc::EventHub> events_;
  std::unique_ptr<PeerBoard> board_;
  std::unique_ptr<Pairings> pairings_;
  MessageIntake intake_{*this};
  FileWorker file_worker_;
  std::unique_ptr<FileBoard> files_;
  std::unique_ptr<ServiceBoard> services_;
  std::unique_ptr<base::Mailbox<RelayDatagram>> to_relays_;
  std::unique_ptr<net::PortMapper> mapper_;
  std::map<base::PeerId, proto::Endpoint> worked_;  // what an earlier run's direct paths left by
  bool maps_ports_ = false;                         // the mapper, when it was looked at last
  std::vector<std::unique_ptr<DataPlane>> planes_;
  std::shared_ptr<const Collected> collected_;  // latest; nothing at first
  std::unique_ptr<NetChecker> net_;
  std::unique_ptr<QualityEvents> quality_;
  std::unique_ptr<Doctor> doctor_;
  boost::asio::steady_timer resolve_pause_;
  std::uint64_t resolve_round_ = 0;  // an older one than this ends
  ipc::MethodTable methods_;
  std::unique_ptr<ipc::Server> server_;
};

}  // namespace p2pd::daemon
