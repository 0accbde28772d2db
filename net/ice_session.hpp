// One generation of a peer's ICE: one NiceAgent with one stream and one component, in a GMainContext of its
// own. Private to net/. Owned by IceAgent, on its io_context's thread. It ends by close(), whose `done` must
// have run before destruction.
//
//   checking -> connected <-> checking (the selected socket died, others are tried)
//      |            |
//      +-> failed <-+     failed -> connected (a late check got through)
//   any -> closing
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "net/glib_loop.hpp"
#include "net/ice.hpp"
#include "net/ice_agent.hpp"
#include "net/ice_keepalive.hpp"
#include "net/ice_nice.hpp"
#include "net/ice_rechecks.hpp"
#include "net/ice_socket.hpp"

namespace p2pd::net {

struct IceGatheringDone {};
using IceSessionEvent = std::variant<proto::Candidate, IceGatheringDone, IcePair, IceFailure>;

class IceSession;

class IceSessionOwner {
 public:
  // May come from inside a call into the session: to be queued.
  virtual void on_session_event(IceSession& session, IceSessionEvent event) = 0;
  // Only from a handler of the io_context.
  // `packets`: how many datagrams of the network it is made of.
  virtual void on_session_datagram(base::ByteView datagram, std::size_t packets) = 0;
  virtual void on_session_batch_end() = 0;

 protected:
  ~IceSessionOwner() = default;
};

class IceSession {
  // A host candidate's port, mapped at the gateway.
  struct Mapped {
    proto::Candidate host;
    PortMappings::Id id = 0;
    bool answered = false;
  };

 public:
  IceSession(boost::asio::io_context& io, const IceConfig& config, std::uint32_t generation, bool controlling,
             IceSessionOwner& owner);
  ~IceSession();
  IceSession(const IceSession&) = delete;
  IceSession& operator=(const IceSession&) = delete;

  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  [[nodiscard]] bool connected() const { return state_ == State::connected; }
  [[nodiscard]] IceCredentials local_credentials() const;
  void gather();
  void set_remote_credentials(const IceCredentials& credentials);
  void add_remote_candidate(const proto::Candidate& candidate);
  void remote_candidates_done();
  [[nodiscard]] SendOutcome send(base::ByteView datagram);
  [[nodiscard]] SendOutcome send_batch(base::ByteView datagrams, std::size_t size);
  // Returns allocations, closes sockets; `done` comes from a handler of the io_context.
  void close(std::function<void()> done);

 private:
  enum class State { checking, connected, failed, closing };

  void add_local_addresses();
  void add_servers();
  void enlarge_buffers();
  void hand_over(const proto::Candidate& candidate);
  void check_again();
  [[nodiscard]] proto::Candidate as_offered(const proto::Candidate& remote) const;
  void use_selected_pair();
  void fail(IceFailure failure);
  [[nodiscard]] bool pairable() const;
  void judge_progress();
  void on_local_candidate(const NiceCandidate& candidate);
  void offer(const proto::Candidate& candidate);
  void ask_mapping(const proto::Candidate& host);
  void on_mapped(std::size_t which, std::optional<proto::Endpoint> external);
  void finish_gathering();
  void on_component_state(NiceComponentState state);
  [[nodiscard]] SendOutcome send_through_agent(base::ByteView datagram);
  void on_received(base::ByteView datagram);
  void receive_coalesced(base::ByteView datagrams);
  void tell_datagram(base::ByteView datagram, std::size_t packets);
  void spare_buffer(base::ByteView datagram, void* buffer);
  void on_dispatched();
  void finish_close();

  static void gathering_done_trampoline(NiceAgent*, guint, gpointer self) noexcept;
  static void candidate_trampoline(NiceAgent*, NiceCandidate* candidate, gpointer self) noexcept;
  static void state_trampoline(NiceAgent*, guint, guint, guint state, gpointer self) noexcept;
  static void selected_trampoline(NiceAgent*, guint, guint, NiceCandidate*, NiceCandidate*,
                                  gpointer self) noexcept;
  static void receive_trampoline(NiceAgent*, guint, guint, guint size, gchar* data, gpointer self) noexcept;
  static void closed_trampoline(GObject*, GAsyncResult*, gpointer self) noexcept;

  struct ObjectUnref {
    void operator()(NiceAgent* agent) const { g_object_unref(agent); }
  };

  boost::asio::io_context& io_;
  const IceConfig& config_;
  const std::uint32_t generation_;
  IceSessionOwner& owner_;
  GlibLoop loop_;
  IceRechecks rechecks_;
  std::unique_ptr<NiceAgent, ObjectUnref> agent_;
  guint stream_ = 0;

  State state_ = State::checking;
  NiceComponentState nice_state_ = NICE_COMPONENT_STATE_DISCONNECTED;
  std::optional<IcePair> pair_;  // as last told to the owner
  IceSocket socket_;             // of pair_, unless it is relayed
  std::size_t local_addresses_ = 0;
  bool has_local_v4_ = false;  // of the candidates offered
  bool has_local_v6_ = false;
  proto::RemoteCandidates remote_;
  std::size_t handed_over_ = 0;  // of the accepted ones, given to libnice
  std::vector<Mapped> mapped_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();  // for what the mapper tells later
  bool nice_gathering_done_ = false;
  bool gathering_done_ = false;  // and every mapping has been answered for
  bool has_remote_credentials_ = false;
  bool remote_done_ = false;
  bool was_connected_ = false;
  bool receiving_ = true;        // the receive callback is attached
  std::size_t in_dispatch_ = 0;  // datagrams of the current round
  IceKeepalive keepalive_;
  std::optional<std::int64_t> frame_sent_at_;  // g_get_monotonic_time()
  bool buffer_used_ = false;                   // libnice's, beyond its first page
  unsigned quiet_frames_ = 0;                  // short Link frames since anything else
  std::function<void()> closed_;
};

}  // namespace p2pd::net
