#include "peer/session.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "proto/link_frames.hpp"

namespace p2pd::peer {

namespace log = base::log;

namespace {

// Enough for one round of a fast path; what is left goes after the other inputs had their turn.
constexpr int kFlushQuantum = 64;
constexpr std::size_t kNameSize = 4;

}  // namespace

Session::Session(SessionConfig config, SessionHost& host, MessageStore& store, PeerObserver& observer,
                 bool dialled)
    : config_(std::move(config)),
      host_(host),
      store_(store),
      observer_(observer),
      dialled_(dialled),
      began_at_(host.now()),
      stage_since_(began_at_),
      link_(*this, began_at_, [&host](std::span<std::uint8_t> out) { host.fill_random(out); }),
      ice_(*this, *this, config_.peer, config_.arbiter, config_.candidates) {}

Session::~Session() = default;

net::QuicConfig Session::quic_config() const {
  net::QuicConfig config;
  config.identity = config_.identity;
  config.peer = config_.peer;
  config.random = [&host = host_](std::span<std::uint8_t> out) { host.fill_random(out); };
  return config;
}

base::Result<std::unique_ptr<Session>> Session::dial(SessionConfig config, SessionHost& host,
                                                     MessageStore& store, PeerObserver& observer) {
  std::unique_ptr<Session> session(new Session(std::move(config), host, store, observer, true));
  net::QuicEvents& events = *session;
  auto quic = net::QuicConnection::dial(session->quic_config(), events, host.now());
  if (!quic) return quic.error();
  session->quic_ = std::move(*quic);
  session->control_.emplace(*session->quic_);
  if (session->config_.gather_early) session->update_ice("dial");
  return session;
}

base::Result<std::unique_ptr<Session>> Session::accept(SessionConfig config, SessionHost& host,
                                                       MessageStore& store, PeerObserver& observer,
                                                       base::ByteView initial) {
  std::unique_ptr<Session> session(new Session(std::move(config), host, store, observer, false));
  net::QuicEvents& events = *session;
  auto quic = net::QuicConnection::accept(session->quic_config(), events, initial, host.now());
  if (!quic) return quic.error();
  session->quic_ = std::move(*quic);
  session->control_.emplace(*session->quic_);
  return session;
}

void Session::enter_stage(Stage stage) {
  stage_ = stage;
  stage_since_ = host_.now();
}

// The peer is who was dialled: what it must hear travels with the end of the handshake, a round trip earlier
// than the peer's word that it knows us.
void Session::on_completed() {
  if (stage_ != Stage::handshaking) return;
  const base::Result<net::StreamId> control = quic_->open_stream();
  if (!control) return fail("the peer allows no control stream");
  attach_control(*control);
}

void Session::on_confirmed() {
  if (stage_ != Stage::handshaking) return;
  enter_stage(Stage::confirmed);
  name_ = base::to_hex(quic_->export_secret("EXPORTER-p2pd-name", kNameSize));
  const base::Bytes secret = quic_->export_secret(proto::kLinkExporterLabel, 2 * proto::kLinkKeySize);
  LinkKeys keys;
  const auto half = secret.begin() + static_cast<std::ptrdiff_t>(proto::kLinkKeySize);
  std::copy(secret.begin(), half, dialled_ ? keys.send.begin() : keys.receive.begin());
  std::copy(half, secret.end(), dialled_ ? keys.receive.begin() : keys.send.begin());
  quic_->forget_handshake();
  link_.set_keys(keys, host_.now());
  log::debug("session", "authenticated",
             {{"peer", config_.peer}, {"connection", name_}, {"dialled", dialled_}});
  update_ice("authenticated");
  host_.on_session_confirmed(*this);
}

void Session::hurry() {
  if (stage_ != Stage::handshaking) return;
  stage_since_ = host_.now();
  kick_quic();
}

void Session::keep() {
  if (stage_ != Stage::confirmed) return;
  say(proto::ControlKeep{});
  on_kept();
}

void Session::on_kept() {
  enter_stage(Stage::kept);
  to_relay_ = host_.now() - began_at_;
  // The arbiter at the answering end waits for the control stream: it is to be the first one written.
  if (control_->attached()) start_messages();
  if (usable()) on_usable();
}

void Session::start_messages() {
  if (sender_) return;
  MessageSink& sink = *this;
  sender_.emplace(*quic_, store_, config_.peer, sink);
  sender_->start();
}

void Session::close(net::CloseCode code, std::string_view text) {
  if (stage_ == Stage::closed) return;
  log::debug("session", "close",
             {{"peer", config_.peer},
              {"connection", name_},
              {"code", static_cast<std::uint64_t>(code)},
              {"reason", text}});
  silent_close_ = true;
  set_ending(code);
  if (services_ && code == net::CloseCode::shutdown) services_->set_ending(StreamEnding::stopping);
  enter_stage(Stage::closed);
  quic_->close(code, text);
}

void Session::on_usable() {
  const bool with_files = config_.files != nullptr && !files_;
  FileSink& sink = *this;
  if (with_files) files_.emplace(*quic_, *config_.files, config_.peer, *config_.outgoing, sink);
  ServiceSink& service_sink = *this;
  if (config_.services != nullptr && !services_) {
    services_.emplace(*quic_, *config_.services, config_.peer, service_sink);
  }
  release_early();
  if (!with_files || stage_ == Stage::closed) return;
  if ((hello_->capabilities & proto::kCapabilityFiles) != 0) return files_->start();
  // A copy: each refusal takes one off the list.
  for (const OutgoingFile& file : OutgoingFiles(*config_.outgoing)) {
    host_.on_file_refused(file.offer.id, proto::FileRefusal::policy);
  }
}

void Session::end_streams() {
  streams_.clear();
  files_.reset();
  services_.reset();
}

// What the streams that end with the connection are told.
void Session::set_ending(net::CloseCode code) {
  if (!services_) return;
  switch (code) {
    case net::CloseCode::superseded:
      return services_->set_ending(StreamEnding::peer_restarted);
    case net::CloseCode::disconnected:
      return services_->set_ending(StreamEnding::disconnected);
    case net::CloseCode::removed:
      return services_->set_ending(StreamEnding::removed);
    default:
      return;
  }
}

void Session::fail(std::string_view text) {
  if (stage_ == Stage::closed) return;
  log::warn("session", "closed for breaking the protocol",
            {{"peer", config_.peer}, {"connection", name_}, {"reason", text}});
  quic_->close(net::CloseCode::protocol_error, text);
}

void Session::on_closed(const net::CloseReason& reason) {
  if (silent_close_ || stage_ == Stage::closed) return;
  if (reason.by == net::CloseReason::By::peer) set_ending(static_cast<net::CloseCode>(reason.code));
  enter_stage(Stage::closed);
  host_.on_session_closed(*this, reason);
}

void Session::receive_packet(PathKind path, base::ByteView packet) {
  const base::TimePoint now = host_.now();
  host_.count_received(path, packet.size());
  receiving_ = true;
  const bool authenticated = quic_->receive(packet, now);
  receiving_ = false;
  if (stage_ == Stage::closed) return;
  if (std::exchange(kick_after_, false)) kick_quic();
  if (authenticated && !heard_) {
    heard_ = true;
    if (dialled_) update_ice("answered");
  }
  link_.on_quic_received(path, proto::kQuicPrefixSize + packet.size(), authenticated, now);
}

void Session::receive_link(PathKind path, base::ByteView frame) {
  if (stage_ != Stage::closed) link_.receive(path, frame, host_.now());
}

void Session::flush() {
  int sent = 0;
  do {
    kicked_ = false;
    while (const int count = send_burst(kFlushQuantum - sent)) sent += count;
    if (stage_ != Stage::closed) link_.set_outstanding(quic_->outstanding(), host_.now());
  } while (kicked_ && sent < kFlushQuantum);
  more_ = sent >= kFlushQuantum;
  if (files_) files_->reap();
  if (services_) services_->refill();
  if (stage_ == Stage::closed) end_streams();
  // The farewell had its chance on the direct path.
  if (stage_ == Stage::closed && ice_.running()) ice_.stop();
}

base::TimePoint Session::deadline() const {
  if (more_) return host_.now();
  if (stage_ == Stage::closed) return base::kNever;
  base::TimePoint due = std::min({quic_->deadline(), link_.deadline(), ice_.deadline()});
  if (sender_) due = std::min(due, sender_->deadline());
  if (files_) due = std::min(due, files_->deadline());
  return due;
}

void Session::on_time() {
  if (stage_ == Stage::closed) return;
  const base::TimePoint now = host_.now();
  if (quic_->deadline() <= now) quic_->on_time(now);
  if (stage_ == Stage::closed) return;
  if (link_.deadline() <= now) link_.on_time(now);
  ice_.on_time(now);
  if (sender_) sender_->on_time(now);
  if (files_) files_->on_time(now);
}

}  // namespace p2pd::peer
