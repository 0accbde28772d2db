// One connection to the peer and all that lives and dies with it: QUIC, the Link below it, the control
// stream, ICE, application streams. Whether it stays is Peer's to decide (arbiter.hpp).
//
//   handshaking --confirmed, arbiter: keep()-----------------------> kept
//   handshaking --confirmed--> confirmed --the arbiter's `keep`----> kept
//   any --close() by the owner | failure, told by on_session_closed--> closed
//
// Owned by peer::Peer, on the peer's thread. How it ends: closed, then kept for a moment so that late packets
// get their CONNECTION_CLOSE, then destroyed by the owner, never from inside a call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "net/ice.hpp"
#include "net/identity.hpp"
#include "net/quic_connection.hpp"
#include "peer/control_stream.hpp"
#include "peer/file_channel.hpp"
#include "peer/ice_control.hpp"
#include "peer/link.hpp"
#include "peer/message_channel.hpp"
#include "peer/ports.hpp"
#include "peer/service_channel.hpp"
#include "peer/stream_handler.hpp"
#include "proto/control_messages.hpp"
#include "proto/datagram.hpp"

namespace p2pd::peer {

class Session;

// What a session needs of its owner. Events are told from inside calls into the session; the owner must not
// destroy it then.
class SessionHost {
 public:
  [[nodiscard]] virtual base::TimePoint now() const = 0;
  virtual void fill_random(std::span<std::uint8_t> out) = 0;
  [[nodiscard]] virtual std::unique_ptr<net::Ice> make_ice(net::IceEvents& events) = 0;
  virtual void retire_ice(std::unique_ptr<net::Ice> agent) = 0;
  virtual bool send_relay(base::ByteView datagram) = 0;
  // QUIC packets by path.
  virtual void count_sent(PathKind path, std::size_t bytes) = 0;
  virtual void count_received(PathKind path, std::size_t bytes) = 0;

  virtual void on_session_confirmed(Session& session) = 0;
  virtual void on_session_hello(Session& session) = 0;
  // The arbiter's word.
  virtual void on_session_keep(Session& session) = 0;
  // Not after close().
  virtual void on_session_closed(Session& session, const net::CloseReason& reason) = 0;
  virtual void on_session_path(Session& session, PathKind from, PathKind to, std::string_view reason) = 0;
  virtual void on_session_pong(std::uint64_t id) = 0;
  virtual void on_outbox_empty() = 0;
  // A stream to a service of the peer that is to be opened on the connection that replaced this one.
  virtual void on_service_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) = 0;
  // Outcomes of outgoing files (file_channel.hpp).
  virtual void on_file_delivered(const proto::TransferId& id, const std::string& name) = 0;
  virtual void on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) = 0;
  virtual void on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) = 0;

  // Around what reaches the session from elsewhere than the owner (agent, store); the last leave() flushes.
  // leave_unflushed() is followed by another pair soon.
  virtual void enter() = 0;
  virtual void leave() = 0;
  virtual void leave_unflushed() = 0;

 protected:
  ~SessionHost() = default;
};

struct SessionConfig {
  std::shared_ptr<const net::Identity> identity;
  base::PeerId peer;
  std::uint64_t instance = 0;
  std::uint64_t message_epoch = 0;
  bool arbiter = false;
  bool direct_allowed = true;
  bool proxied = false;      // where direct is not allowed, a proxy is the reason
  bool gather_early = true;  // a dialler's: do not wait for the first answer
  proto::CandidatePolicy candidates;
  std::vector<std::string> own_relays;
  std::weak_ptr<const ReceivedTeller> received;
  FileStore* files = nullptr;               // null: files are neither sent nor taken
  const OutgoingFiles* outgoing = nullptr;  // there when `files` is
  ServiceHost* services = nullptr;          // null: no streams to services
};

class Session final : private net::QuicEvents,
                      private LinkSink,
                      private net::IceEvents,
                      private IceControlSink,
                      private MessageSink,
                      private FileSink,
                      private ServiceSink {
 public:
  enum class Stage : std::uint8_t { handshaking, confirmed, kept, closed };

  [[nodiscard]] static base::Result<std::unique_ptr<Session>> dial(SessionConfig config, SessionHost& host,
                                                                   MessageStore& store,
                                                                   PeerObserver& observer);
  // `initial`: the peer's first packet; give it to receive_packet() next.
  [[nodiscard]] static base::Result<std::unique_ptr<Session>> accept(SessionConfig config, SessionHost& host,
                                                                     MessageStore& store,
                                                                     PeerObserver& observer,
                                                                     base::ByteView initial);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- datagrams that came by the relay; those of the agent come by themselves ---
  [[nodiscard]] bool owns(base::ByteView connection_id) const { return quic_->owns(connection_id); }
  void receive_packet(PathKind path, base::ByteView packet);
  void receive_link(PathKind path, base::ByteView frame);

  // --- decisions of the owner ---
  // The arbiter's: says `keep`, opens the application streams.
  void keep();
  void close(net::CloseCode code, std::string_view text);
  void set_direct_allowed(bool allowed);
  void set_own_relays(std::vector<std::string> urls);
  void on_relay_online(bool online);
  void on_network_changed();
  void on_port_mapping();
  void on_outbox_changed();
  void on_files_changed();
  // The entry of the list of outgoing files is another than it was, or gone.
  void restart_file(const proto::TransferId& id);
  void cancel_incoming_file(const proto::TransferId& id);
  // Kept, and the peer has said hello: streams may open.
  [[nodiscard]] bool usable() const { return stage_ == Stage::kept && hello_.has_value(); }
  // Usable sessions only.
  void open_service(const std::string& service, const std::shared_ptr<StreamEnd>& end);
  // A handshake without an answer so far: repeats the first packet now, and counts its time from now.
  void hurry();
  // Answered by on_session_pong; 0 is for "are you there", answered by nothing but silence's end.
  void ping(std::uint64_t id);
  // One message on the control stream.
  void tell(const proto::ControlMessage& message);

  void flush();
  [[nodiscard]] base::TimePoint deadline() const;
  void on_time();

  // --- state ---
  [[nodiscard]] Stage stage() const { return stage_; }
  [[nodiscard]] bool dialled() const { return dialled_; }
  // Something authenticated came back: the far end may be past the handshake.
  [[nodiscard]] bool heard() const { return heard_; }
  [[nodiscard]] base::TimePoint began_at() const { return began_at_; }
  [[nodiscard]] base::TimePoint stage_since() const { return stage_since_; }
  [[nodiscard]] const std::optional<proto::ControlHello>& peer_hello() const { return hello_; }
  [[nodiscard]] PathKind path() const { return link_.path(); }
  [[nodiscard]] WhyNotDirect why_not_direct() const;
  [[nodiscard]] std::optional<base::Duration> rtt() const;
  [[nodiscard]] const std::optional<net::IcePair>& pair() const { return ice_.pair(); }
  [[nodiscard]] std::optional<base::Duration> to_relay() const { return to_relay_; }
  [[nodiscard]] std::optional<base::Duration> to_direct() const { return to_direct_; }
  [[nodiscard]] std::uint64_t switches() const { return link_.switches(); }
  // Without bytes and times, which outlive a session.
  [[nodiscard]] PeerQuality quality() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] base::Duration silent() const { return link_.all_paths_silent(host_.now()); }
  [[nodiscard]] base::Duration waiting() const { return link_.waiting(host_.now()); }
  [[nodiscard]] bool outstanding() const { return quic_->outstanding(); }

 private:
  // A stream that the peer opened, or one of the sender's.
  struct Stream {
    StreamHandler* handler = nullptr;
    std::unique_ptr<StreamHandler> owned;
    base::Bytes early;  // came before the hello or the `keep`
    bool early_fin = false;
  };

  Session(SessionConfig config, SessionHost& host, MessageStore& store, PeerObserver& observer, bool dialled);

  [[nodiscard]] net::QuicConfig quic_config() const;
  void enter_stage(Stage stage);
  void on_kept();
  void start_messages();
  // Kept, and the peer has said hello.
  void on_usable();
  // The connection is closed: transfers go on over another.
  void end_streams();
  void set_ending(net::CloseCode code);
  void fail(std::string_view text);

  // session.cpp: QUIC
  void on_completed() override;
  void on_confirmed() override;
  void on_stream_opened(net::StreamId id) override;
  void on_stream_data(net::StreamId id, base::ByteView data, bool fin) override;
  void on_stream_acknowledged(net::StreamId id, std::size_t count) override;
  void on_stream_reset(net::StreamId id, std::uint64_t code) override;
  void on_stream_stopped(net::StreamId id, std::uint64_t code) override;
  void on_stream_closed(net::StreamId id) override;
  void on_closed(const net::CloseReason& reason) override;

  // session_streams.cpp: control stream and application streams
  void attach_control(net::StreamId id);
  void say(const proto::ControlMessage& message);
  void receive_control(base::ByteView data);
  [[nodiscard]] base::Result<> handle(const proto::ControlMessage& message);
  [[nodiscard]] base::Result<> handle_hello(const proto::ControlHello& hello);
  [[nodiscard]] base::Result<> handle_keep();
  void say_hints();
  void hold_early(Stream& stream, base::ByteView data, bool fin);
  void release_early();
  void dispatch(net::StreamId id, base::ByteView data, bool fin);
  [[nodiscard]] bool open_handler(net::StreamId id, std::uint8_t kind);
  void refuse(net::StreamId id, std::uint64_t code);
  void on_messages_delivered(std::uint64_t up_to) override;
  void on_outbox_empty() override { host_.on_outbox_empty(); }
  void on_store_answered() override;
  void on_file_delivered(const proto::TransferId& id, const std::string& name) override {
    host_.on_file_delivered(id, name);
  }
  void on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) override {
    host_.on_file_refused(id, reason);
  }
  void on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) override {
    host_.on_file_failed(id, reason);
  }
  void adopt_stream(net::StreamId id, StreamHandler& handler) override;
  void own_stream(net::StreamId id, std::unique_ptr<StreamHandler> handler) override;
  void enter_service() override { host_.enter(); }
  void leave_service() override { host_.leave(); }
  void open_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) override {
    host_.on_service_again(service, end);
  }
  void drop_stream(net::StreamId id) override { streams_.erase(id); }

  // session_paths.cpp: Link and ICE
  [[nodiscard]] base::TimePoint now() const override { return host_.now(); }
  net::SendOutcome send_frame(PathKind path, base::ByteView datagram) override;
  void kick_quic() override;
  void on_path_changed(PathKind from, PathKind to, std::string_view reason) override;
  void on_path_expired(PathKind kind) override;
  // Packets as they come from QUIC, at most `most`; how many there were.
  [[nodiscard]] int send_burst(int most);
  void send_datagrams(base::ByteView datagrams, std::size_t size);
  [[nodiscard]] net::SendOutcome send_on(PathKind path, base::ByteView datagrams, std::size_t size);
  void update_ice(std::string_view reason);
  void lose_pair(std::string_view reason);
  [[nodiscard]] PathKind pair_kind() const;
  void on_ice_candidate(std::uint32_t generation, const proto::Candidate& local) override;
  void on_ice_gathering_done(std::uint32_t generation) override;
  void on_ice_connected(std::uint32_t generation, const net::IcePair& pair) override;
  void on_ice_failed(std::uint32_t generation, net::IceFailure failure) override;
  void on_ice_datagram(base::ByteView datagram) override;
  void on_ice_batch_end() override;
  std::unique_ptr<net::Ice> make_ice(net::IceEvents& events) override { return host_.make_ice(events); }
  void retire_ice(std::unique_ptr<net::Ice> agent) override { host_.retire_ice(std::move(agent)); }
  void send_control(const proto::ControlMessage& message) override { say(message); }
  void on_ice_candidate_seen(std::string_view side, std::uint32_t generation,
                             const proto::Candidate& candidate, std::string_view state,
                             std::string_view reason) override;

  SessionConfig config_;
  SessionHost& host_;
  MessageStore& store_;
  PeerObserver& observer_;
  const bool dialled_;
  const base::TimePoint began_at_;
  base::TimePoint stage_since_;
  Stage stage_ = Stage::handshaking;
  bool heard_ = false;
  bool silent_close_ = false;  // the owner closed it and wants no event
  bool kicked_ = false;        // flush once more
  bool receiving_ = false;     // inside the QUIC connection
  bool kick_after_ = false;    // that call
  bool more_ = false;          // the last flush ended at its quantum
  std::string name_;
  std::optional<base::Duration> to_relay_;
  std::optional<base::Duration> to_direct_;
  base::TimePoint direct_since_{};
  std::optional<proto::ControlHello> hello_;
  bool peer_allows_direct_ = true;
  std::size_t early_bytes_ = 0;

  Link link_;
  IceControl ice_;
  std::unique_ptr<net::QuicConnection> quic_;
  std::optional<ControlStream> control_;
  std::optional<MessageSender> sender_;
  std::optional<FileChannel> files_;
  std::optional<ServiceChannel> services_;
  std::map<net::StreamId, Stream> streams_;
  std::optional<net::StreamId> incoming_messages_;
};

}  // namespace p2pd::peer
