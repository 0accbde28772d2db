#include <algorithm>
#include <chrono>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "peer/peer_impl.hpp"
#include "proto/control_messages.hpp"
#include "proto/datagram.hpp"

namespace p2pd::peer {

namespace log = base::log;

namespace {

// What a close means: a word for events and history, and a sentence for status.
struct Ending {
  std::string_view reason;
  std::string sentence;
  bool by_wish = false;
};

Ending ending_of_peers_code(const net::CloseReason& close) {
  switch (static_cast<net::CloseCode>(close.code)) {
    case net::CloseCode::shutdown:
      return {"peer_shutdown", "the peer's daemon stopped", false};
    case net::CloseCode::superseded:
      return {"superseded", "the peer kept another connection", false};
    case net::CloseCode::disconnected:
      return {"peer_disconnected", "the peer's user disconnected", true};
    case net::CloseCode::removed:
      return {"removed", "the peer removed this machine from its address book", true};
    case net::CloseCode::protocol_error:
      return {"protocol_error", "the peer objects to what this end sent: " + log::escape(close.text), false};
    default:
      return {"peer_closed", "the peer closed the connection: " + log::escape(close.text), false};
  }
}

Ending ending_of(const net::CloseReason& close) {
  if (close.authentication_failed) {
    return {"key_mismatch", "the other end does not hold the peer's key, or refused ours", false};
  }
  switch (close.by) {
    case net::CloseReason::By::peer:
      return ending_of_peers_code(close);
    case net::CloseReason::By::self:
      return {"protocol_error", "the peer broke the protocol: " + close.text, false};
    case net::CloseReason::By::error:
      break;
  }
  return {"error", "the connection failed: " + log::escape(close.text), false};
}

}  // namespace

SessionConfig Peer::Impl::session_config() const {
  SessionConfig out;
  out.identity = config_.identity;
  out.peer = config_.peer;
  out.instance = config_.instance;
  out.message_epoch = config_.message_epoch;
  out.arbiter = role_ == Role::arbiter;
  out.direct_allowed = direct_allowed();
  out.proxied = config_.proxied;
  out.candidates = config_.candidates;
  for (const std::string& url : config_.own_relays) {
    if (url.size() <= proto::kMaxRelayHintSize && out.own_relays.size() < proto::kMaxRelayHints) {
      out.own_relays.push_back(url);
    }
  }
  out.received = received_;
  out.files = config_.files;
  out.outgoing = &files_;
  out.services = config_.services;
  return out;
}

Peer::Impl::Connection& Peer::Impl::connection_of(const Session& session) {
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const Connection& c) { return c.session.get() == &session; });
  P2PD_ASSERT(found != connections_.end());
  return *found;
}

// The handshake of that direction that is under way; at most one.
Session* Peer::Impl::pending(bool dialled) const {
  for (const Connection& connection : connections_) {
    Session& session = *connection.session;
    if (session.stage() == Session::Stage::handshaking && session.dialled() == dialled) return &session;
  }
  return nullptr;
}

// --- beginnings ---

void Peer::Impl::dial() {
  if (const Session* running = pending(true)) {
    // It is being answered: a new one would only be later.
    if (running->heard()) return;
    abandon_dials(nullptr);
  }
  const auto* dialing = std::get_if<Dialing>(&state_);
  SessionConfig config = session_config();
  // A peer that is away is dialled again and again: gathering waits until it answers.
  config.gather_early = presence_ == Presence::here || dialing == nullptr || dialing->attempt == 0;
  auto session = Session::dial(std::move(config), *this, store_, observer_);
  if (!session) return dial_failed("error", session.error().message());
  log::debug("peer", "dial", {{"peer", config_.peer}});
  connections_.push_back({std::move(*session), ++count_});
  again_ = true;
}

void Peer::Impl::hurry_dial() {
  Session* const running = pending(true);
  if (running == nullptr || running->heard()) return;
  running->hurry();
  again_ = true;
}

void Peer::Impl::on_relay_datagram(base::ByteView datagram) {
  if (shut_down_) return;
  const Turn turn(*this);
  const std::optional<proto::DatagramKind> kind = proto::datagram_kind(datagram);
  if (kind == proto::DatagramKind::link) {
    // The keys tell whose it is.
    for (const Connection& connection : connections_) {
      connection.session->receive_link(PathKind::relay, datagram);
    }
    return;
  }
  if (kind != proto::DatagramKind::quic) return;
  proto::QuicPackets packets(datagram);
  while (const std::optional<base::ByteView> packet = packets.next()) {
    const std::optional<net::PacketHeader> header = net::parse_packet_header(*packet);
    if (!header) continue;
    const auto owner = std::find_if(connections_.begin(), connections_.end(), [&](const Connection& c) {
      return c.session->owns(header->destination);
    });
    if (owner != connections_.end()) {
      Session& session = *owner->session;  // stays while the vector may grow
      session.receive_packet(PathKind::relay, *packet);
    } else if (header->initial) {
      accept(*packet);
    }
  }
}

void Peer::Impl::accept(base::ByteView initial) {
  Session* const waiting = pending(false);
  if (!gate_.admit(waiting != nullptr, now())) {
    log::debug("peer", "initial packet dropped: too many of them", {{"peer", config_.peer}});
    return;
  }
  auto session = Session::accept(session_config(), *this, store_, observer_, initial);
  if (!session) {
    log::debug("peer", "initial packet refused",
               {{"peer", config_.peer}, {"error", session.error().message()}});
    return;
  }
  if (waiting != nullptr) waiting->close(net::CloseCode::superseded, "a newer handshake");
  connections_.push_back({std::move(*session), ++count_});
  Session& accepted = *connections_.back().session;
  accepted.receive_packet(PathKind::relay, initial);
}

// --- which one stays ---

void Peer::Impl::on_session_confirmed(Session& session) {
  if (role_ == Role::other) return;  // the arbiter's `keep` follows
  const std::optional<std::uint64_t> kept = current_ != nullptr ? std::optional(current_kept_) : std::nullopt;
  if (arbiter_keeps(connection_of(session).began, kept)) {
    session.keep();
    adopt(session);
  } else {
    log::debug("peer", "crossing dial closed", {{"peer", config_.peer}, {"connection", session.name()}});
    session.close(net::CloseCode::superseded, "the dials crossed");
    again_ = true;
  }
}

void Peer::Impl::adopt(Session& session) {
  Session* const old = std::exchange(current_, &session);
  current_kept_ = ++count_;
  replaced_ = old != nullptr;
  check_.reset();
  suspect_after_ = {};
  last_error_.clear();
  if (old != nullptr) old->close(net::CloseCode::superseded, "a newer connection was kept");
  abandon_dials(&session);
  if (role_ == Role::other) {
    // Not kept, and older than what was: the arbiter closes them too, if it has not yet.
    for (const Connection& other : connections_) {
      if (other.session->stage() == Session::Stage::confirmed) {
        other.session->close(net::CloseCode::superseded, "another connection was kept");
      }
    }
  }
  log::info("peer", "connected",
            {{"peer", config_.peer}, {"connection", session.name()}, {"dialled", session.dialled()}});
  apply(Kept{session.path(), session.dialled() ? "answered" : "accepted"});
  observer_.on_established(config_.peer, *session.to_relay());
  for (Ping& ping : pings_) send_ping(ping);
  if (session.peer_hello()) note_hello(session);
}

// The instance number tells a restart from a mere new connection.
void Peer::Impl::note_hello(Session& session) {
  if (&session != current_) return;
  const std::uint64_t instance = session.peer_hello()->instance;
  const bool restarted = peer_instance_ && *peer_instance_ != instance;
  peer_instance_ = instance;
  if (!std::exchange(replaced_, false)) return;
  tell_state(PeerState::established, restarted ? "peer_restarted" : "superseded");
}

// Given up silently only where the far end cannot have kept it (arbiter.hpp).
void Peer::Impl::abandon_dials(const Session* except) {
  for (const Connection& connection : connections_) {
    Session& session = *connection.session;
    if (&session == except || !session.dialled() || session.stage() != Session::Stage::handshaking) continue;
    if (!may_abandon_dial(role_, session.heard())) continue;
    session.close(net::CloseCode::superseded, "not needed any more");
    again_ = true;
  }
}

// --- ends ---

void Peer::Impl::on_session_closed(Session& session, const net::CloseReason& reason) {
  again_ = true;
  const Ending ending = ending_of(reason);
  log::debug("peer", "connection closed",
             {{"peer", config_.peer},
              {"connection", session.name()},
              {"reason", ending.reason},
              {"text", reason.text}});
  if (&session == current_) {
    tell_quality();
    current_ = nullptr;
    lost(ending.reason, ending.sentence, ending.by_wish);
  } else if (session.dialled()) {
    dial_failed(ending.reason, ending.sentence);
  }
}

void Peer::Impl::lost(std::string_view reason, std::string sentence, bool by_wish) {
  check_.reset();
  replaced_ = false;
  direct_allowed_once_ = true;
  last_error_ = std::move(sentence);
  if (by_wish) {
    fail_pings(PeerError::cancelled);
    fail_services(StreamEnding::disconnected);
  }
  apply(Lost{std::string(reason), by_wish});
}

void Peer::Impl::dial_failed(std::string_view reason, std::string sentence) {
  if (current_ == nullptr) last_error_ = std::move(sentence);
  apply(DialFailed{std::string(reason)});
}

void Peer::Impl::close_all(net::CloseCode code, std::string_view text) {
  for (const Connection& connection : connections_) connection.session->close(code, text);
  current_ = nullptr;
  check_.reset();
  replaced_ = false;
  direct_allowed_once_ = true;
  again_ = true;
}

void Peer::Impl::on_session_path(Session& session, PathKind from, PathKind to, std::string_view reason) {
  if (&session != current_) return;
  apply(PathMoved{to, std::string(reason)});
  observer_.on_path_changed(config_.peer, from, to, session.why_not_direct(), reason);
  path_clock_.move_to(to, now());
  tell_quality();
  if (to != PathKind::relay && session.pair()) {
    if (to == PathKind::direct) config_.worked_before = session.pair()->local_base();
    observer_.on_direct(config_.peer, to, now() - session.began_at(), *session.pair());
  }
}

}  // namespace p2pd::peer
