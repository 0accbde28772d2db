// The inside of peer::Peer: the state machine's hands. Private to peer/.
//
// Every input is a turn: enter(), the input, leave(); the outermost leave() settles: flushes the sessions,
// reaps those that are over, tells the host the new deadline. Sessions are destroyed nowhere else.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "peer/arbiter.hpp"
#include "peer/peer.hpp"
#include "peer/peer_error.hpp"
#include "peer/session.hpp"
#include "peer/state_machine.hpp"

namespace p2pd::peer {

class Peer::Impl final : private SessionHost {
 public:
  Impl(PeerConfig config, PeerHost& host, RelayPort& relay, MessageStore& store, PeerObserver& observer);
  ~Impl();

  void connect();
  void disconnect();
  [[nodiscard]] bool wanted() const { return config_.wanted; }
  void on_relay_datagram(base::ByteView datagram);
  void on_relay_online();
  void on_presence(Presence presence);
  void on_network_changed();
  void on_port_mapping();
  void on_outbox_changed();
  void send_file(OutgoingFile file);
  void cancel_incoming_file(const proto::TransferId& id);
  void open_service(const std::string& service, std::shared_ptr<StreamEnd> end);
  bool abandon_service(const StreamEnd& end);
  void set_direct_allowed(bool allowed);
  void set_direct_allowed_once(bool allowed);
  void set_own_relays(std::vector<std::string> urls);
  void ping(std::function<void(base::Result<PingReply>)> done, base::Duration timeout);
  [[nodiscard]] bool ask_net(std::uint64_t id);
  void answer_net(const proto::ControlNetReport& report);
  [[nodiscard]] PeerStatus status() const;
  [[nodiscard]] base::TimePoint deadline() const { return deadline_; }
  void on_time();
  void shut_down(net::CloseCode code, std::function<void()> done);

 private:
  struct Connection {
    std::unique_ptr<Session> session;
    std::uint64_t began = 0;  // arbiter.hpp's count
  };
  struct Ping {
    std::uint64_t id = 0;
    std::function<void(base::Result<PingReply>)> done;
    base::TimePoint expires;
    std::optional<base::TimePoint> sent;
  };
  // "Are you there?", asked when the peer's relay session came back and after a long silence.
  struct Check {
    std::uint64_t id = 0;
    base::TimePoint asked;
    base::TimePoint until;
    unsigned extended = 0;
  };
  struct RetiredAgent {
    std::unique_ptr<net::Ice> agent;
    bool stopped = false;
  };
  // A stream to a service that waits for the connection.
  struct ServiceOpen {
    std::string service;
    std::shared_ptr<StreamEnd> end;
  };
  class Turn;

  // peer.cpp
  void apply(const Event& event);
  [[nodiscard]] Facts facts();
  [[nodiscard]] bool demand() const;
  void tell_state(PeerState before, std::string_view reason);
  [[nodiscard]] PeerQuality quality() const;
  void tell_quality();
  void tell_why_not_direct();
  [[nodiscard]] bool direct_allowed() const { return config_.direct_allowed && direct_allowed_once_; }
  void send_ping(Ping& ping);
  void fail_pings(PeerError error);

  // peer_connections.cpp
  void dial();
  void hurry_dial();
  void accept(base::ByteView initial);
  void adopt(Session& session);
  void note_hello(Session& session);
  void abandon_dials(const Session* except);
  void close_all(net::CloseCode code, std::string_view text);
  void lost(std::string_view reason, std::string sentence, bool by_wish);
  void dial_failed(std::string_view reason, std::string sentence);
  [[nodiscard]] SessionConfig session_config() const;
  [[nodiscard]] Connection& connection_of(const Session& session);
  [[nodiscard]] Session* pending(bool dialled) const;
  void on_session_confirmed(Session& session) override;
  void on_session_hello(Session& session) override { note_hello(session); }
  void on_session_keep(Session& session) override { adopt(session); }
  void on_session_closed(Session& session, const net::CloseReason& reason) override;
  void on_session_path(Session& session, PathKind from, PathKind to, std::string_view reason) override;
  void on_session_pong(std::uint64_t id) override;
  void on_outbox_empty() override { outbox_waiting_ = false; }

  // peer_files.cpp
  [[nodiscard]] OutgoingFiles::iterator find_file(const proto::TransferId& id);
  void on_file_delivered(const proto::TransferId& id, const std::string& name) override;
  void on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) override;
  void on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) override;

  // peer_services.cpp
  void on_service_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) override;
  void start_services();
  void fail_services(StreamEnding ending);

  // peer_turn.cpp
  void enter() override { ++depth_; }
  void leave() override;
  void leave_unflushed() override;
  void settle();
  void drop_needless_dial();
  void reap();
  void update_deadline();
  void time_out_sessions();
  void time_out_pings();
  void watch_current();
  void start_check();
  void end_shut_down();
  [[nodiscard]] base::TimePoint now() const override { return host_.now(); }
  void fill_random(std::span<std::uint8_t> out) override { host_.fill_random(out); }
  [[nodiscard]] std::unique_ptr<net::Ice> make_ice(net::IceEvents& events) override;
  void retire_ice(std::unique_ptr<net::Ice> agent) override;
  bool send_relay(base::ByteView datagram) override { return relay_.send(config_.peer, datagram); }
  void count_sent(PathKind path, std::size_t bytes) override;
  void count_received(PathKind path, std::size_t bytes) override;

  PeerConfig config_;
  PeerHost& host_;
  RelayPort& relay_;
  MessageStore& store_;
  PeerObserver& observer_;
  const Role role_;
  const std::shared_ptr<const ReceivedTeller> received_;
  const std::shared_ptr<char> alive_ = std::make_shared<char>();

  State state_ = Idle{};
  base::TimePoint back_off_until_ = base::kNever;
  Presence presence_ = Presence::unknown;
  bool outbox_waiting_;
  OutgoingFiles files_;
  std::vector<ServiceOpen> opens_;
  bool direct_allowed_once_ = true;
  std::string last_error_;

  std::vector<Connection> connections_;
  Session* current_ = nullptr;  // kept, one of connections_
  std::uint64_t count_ = 0;     // arbiter.hpp's
  std::uint64_t current_kept_ = 0;
  InboundGate gate_;
  std::optional<std::uint64_t> peer_instance_;
  std::optional<WhyNotDirect> told_why_;
  bool replaced_ = false;  // current_ took another's place, and its hello has not told why

  std::optional<Check> check_;
  base::TimePoint suspect_after_{};
  std::list<Ping> pings_;
  std::uint64_t next_ping_ = 1;

  std::array<PathBytes, kPathKinds> bytes_{};
  std::array<PathBytes, kPathKinds> bytes_before_{};  // this connection
  PathClock path_clock_;
  std::list<RetiredAgent> retired_;

  int depth_ = 0;
  bool again_ = false;  // something changed while settling
  bool more_ = false;   // settling ended before everything was done
  bool shut_down_ = false;
  std::function<void()> on_shut_down_;
  base::TimePoint deadline_ = base::kNever;
};

class Peer::Impl::Turn {
 public:
  explicit Turn(Impl& impl) : impl_(impl) { impl_.enter(); }
  ~Turn() { impl_.leave(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Impl& impl_;
};

}  // namespace p2pd::peer
