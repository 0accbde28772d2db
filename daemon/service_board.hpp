// Which services peers may use, who listens, and which streams there are: the control thread's side of
// streams. A peer that asks for a service is checked here, against what was exposed (kept in the store) and
// what local programs listen for. What no longer is permitted ends at once. Owned by the Node. How it ends:
// stop(), which answers everybody who waits.
//
//   incoming --permitted--> target: connect | a listener: its socket | none just now: waits (StreamBacklog)
//       +----not---> not_permitted; no_such_service is only said to peers that some service names
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/address_book.hpp"
#include "daemon/service_target.hpp"
#include "daemon/stream_backlog.hpp"
#include "daemon/stream_bridge.hpp"
#include "ipc/events.hpp"
#include "ipc/request.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

class DataPlane;

// Runs `task` on the thread of the peer's streams.
using OnPlane = std::function<void(const base::PeerId& peer, std::function<void(DataPlane&)> task)>;

struct Exposure {
  std::string service;
  ServiceTarget target;
  uid_t owner = 0;
  std::set<base::PeerId> allow;
};

// One stream, from its request to its end.
struct StreamView {
  StreamNumber number{};
  base::PeerId peer;
  std::string service;
  bool incoming = false;
  bool open = false;
  std::optional<LocalStream::Outcome> outcome;  // when it is over
};

class ServiceBoard final : public StreamNews {
 public:
  static constexpr std::size_t kRemembered = 4'096;  // streams that are over

  struct Config {
    std::string own_socket;
    std::function<std::function<void(std::function<void()>)>()> post;
    OnPlane on_plane;
  };
  ServiceBoard(boost::asio::io_context& io, Config config, const AddressBook& book, store::Store& store,
               ipc::EventHub& events);

  // What the store has, once at start.
  void load(std::vector<store::ServiceRow> rows);
  void stop();
  // The store has forgotten the peer.
  void forget(const base::PeerId& peer);

  // --- services ---
  using Done = std::function<void(const base::Result<void>&)>;
  // Replaces one of that name. Errors: invalid_params, not_permitted, busy, those of the store.
  void expose(Exposure exposure, Done done);
  void unexpose(const std::string& service, Done done);
  [[nodiscard]] const std::map<std::string, Exposure>& exposures() const { return exposures_; }
  // How many programs listen for it.
  [[nodiscard]] std::map<std::string, std::size_t> listening() const;
  [[nodiscard]] std::size_t streams_of(const std::string& service) const;

  // --- streams ---
  // Gets the socket that the stream goes through; without one: the client is gone.
  using Give = std::function<void(base::Descriptor socket, base::Bytes early)>;
  struct Listener {
    std::string service;
    std::optional<std::set<base::PeerId>> allow;  // nothing: every peer of the address book
    // There is a stream for it: it says so to its program, then gives the socket.
    std::function<void(const StreamView& stream, Give give)> take;
    std::function<void()> stopped;  // p2pd stops
  };
  enum class ListenerId : std::uint64_t {};
  // Error: name_taken, where the service is exposed.
  [[nodiscard]] base::Result<ListenerId> listen(Listener listener);
  void forget_listener(ListenerId id);

  // `opened` is told once: the stream is open, or how it ended.
  StreamNumber open(const base::PeerId& peer, const std::string& service, base::Duration timeout,
                    std::function<void(const StreamView& stream)> opened);
  // Its socket, once it is open.
  void begin(StreamNumber stream, base::Descriptor socket, base::Bytes early);
  void end(StreamNumber stream, peer::StreamEnding ending);
  // The stream ends with the connection of this client, which may be idle as long as it has one.
  void tie(StreamNumber stream, ipc::ClientId client, const std::weak_ptr<ipc::Outlet>& outlet);
  // `done` gets the stream when it is over, at once where it is already. False: not known.
  [[nodiscard]] bool wait(StreamNumber stream, std::function<void(const StreamView&)> done);

  void on_stream_incoming(StreamNumber stream, const base::PeerId& peer, const std::string& service) override;
  void on_stream_opened(StreamNumber stream) override;
  void on_stream_over(StreamNumber stream, const LocalStream::Outcome& outcome) override;

 private:
  struct Stream {
    StreamView view;
    std::function<void(const StreamView&)> opened;
    std::vector<std::function<void(const StreamView&)>> waiters;
    std::optional<ipc::ClientId> client;
    base::TimePoint came{};  // where the peer opened it
  };
  struct Client {
    std::weak_ptr<ipc::Outlet> outlet;
    std::set<StreamNumber> streams;
  };
  // A listened service: who waits for streams, and streams that wait for somebody.
  struct Listened {
    std::deque<std::pair<ListenerId, Listener>> listeners;
    StreamBacklog backlog;
    std::optional<std::set<base::PeerId>> allow;       // of the latest listener
    std::unique_ptr<boost::asio::steady_timer> timer;  // for the backlog's deadline
  };

  [[nodiscard]] bool named_somewhere(const base::PeerId& peer) const;
  [[nodiscard]] static bool admits(const std::optional<std::set<base::PeerId>>& allow,
                                   const base::PeerId& peer);
  void incoming_listened(Listened& listened, Stream& stream);
  void give_to(Listener listener, const StreamView& view);
  void refuse(const StreamView& view, proto::ServiceRefusal refusal);
  void with_bridge(const base::PeerId& peer, std::function<void(StreamBridge&)> task);
  void listener_gone(const std::string& service, Listened& listened);
  void arm(const std::string& service, Listened& listened);
  void on_backlog_due(const std::string& service);
  void end_unpermitted(const std::string& service);
  void untie(Stream& stream);
  void client_gone(ipc::ClientId client);
  void publish(const StreamView& view, std::string_view type);

  boost::asio::io_context& io_;
  const Config config_;
  const AddressBook& book_;
  store::Store& store_;
  ipc::EventHub& events_;
  std::map<std::string, Exposure> exposures_;
  std::map<std::string, Listened> listened_;
  std::uint64_t last_listener_ = 0;
  std::map<StreamNumber, Stream> streams_;
  std::map<ipc::ClientId, Client> clients_;
  std::deque<StreamNumber> over_;  // those that are, the oldest first
  bool stopped_ = false;
};

}  // namespace p2pd::daemon
