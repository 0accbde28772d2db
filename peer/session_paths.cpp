#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "peer/session.hpp"
#include "proto/datagram.hpp"

namespace p2pd::peer {

using namespace std::chrono_literals;
namespace log = base::log;

namespace {

// A direct path that held this long was a good one: its next failure is tried again at once.
constexpr base::Duration kProvenDirect = 30s;
// What one system call takes with segmentation offload (UDP_SEGMENT); the largest datagram of the relay fits
// too.
constexpr std::size_t kMaxBurst = 65'000;
static_assert(kMaxBurst >= net::kMaxDatagram + proto::kQuicPrefixSize);

}  // namespace

// --- out ---

net::SendOutcome Session::send_on(PathKind path, base::ByteView datagrams, std::size_t size) {
  if (path == PathKind::relay) {
    bool sent = true;
    while (!datagrams.empty()) sent = host_.send_relay(base::take_front(datagrams, size)) && sent;
    return sent ? net::SendOutcome::sent : net::SendOutcome::no_path;
  }
  // Direct and TURN are one agent's selected pair, whichever that is.
  if (!ice_.pair() || pair_kind() != path) return net::SendOutcome::no_path;
  return datagrams.size() > size ? ice_.send_batch(datagrams, size) : ice_.send(datagrams);
}

// Those of one size go to the system together: packets of the path's full size, and one shorter one behind.
int Session::send_burst(int most) {
  thread_local std::array<std::uint8_t, kMaxBurst> buffer;
  const base::TimePoint now = host_.now();
  const std::size_t full = proto::kQuicPrefixSize + std::min(link_.packet_size(), net::kMaxDatagram);
  const bool together = link_.route().primary == PathKind::direct;
  std::size_t used = 0;
  int count = 0;
  while (count < most && buffer.size() - used >= full) {
    const auto place = std::span(buffer).subspan(used, full);
    const std::size_t size = quic_->write_packet(place.subspan(proto::kQuicPrefixSize), now);
    if (size == 0) break;
    std::ranges::copy(proto::quic_prefix(size), place.begin());
    used += proto::kQuicPrefixSize + size;
    ++count;
    if (!together || proto::kQuicPrefixSize + size < full) break;
  }
  if (count > 0) send_datagrams(base::ByteView(buffer).first(used), full);
  return count;
}

// Each of `size` bytes but the last, which may have fewer.
void Session::send_datagrams(base::ByteView datagrams, std::size_t size) {
  const Link::Route route = link_.route();
  const auto send = [&](PathKind path) {
    const net::SendOutcome outcome = send_on(path, datagrams, size);
    for (std::size_t at = 0; at < datagrams.size(); at += size) {
      const std::size_t bytes = std::min(size, datagrams.size() - at);
      if (outcome == net::SendOutcome::sent) host_.count_sent(path, bytes - proto::kQuicPrefixSize);
      if (stage_ != Stage::closed) link_.on_quic_sent(path, bytes, outcome, host_.now());
    }
  };
  send(route.primary);
  if (route.also) {
    send(*route.also);
  } else if (stage_ == Stage::closed && route.primary != PathKind::relay) {
    // Nothing repeats a farewell; the other end should not have to find out by silence.
    send(PathKind::relay);
  }
}

net::SendOutcome Session::send_frame(PathKind path, base::ByteView datagram) {
  return send_on(path, datagram, datagram.size());
}

// A control message, which comes from inside the connection, may end a path; the connection is then not to be
// called before it returns.
void Session::kick_quic() {
  if (receiving_) {
    kick_after_ = true;
    return;
  }
  kicked_ = true;
  quic_->kick(host_.now());
}

// --- changes ---

void Session::on_path_changed(PathKind from, PathKind to, std::string_view reason) {
  const base::TimePoint now = host_.now();
  log::info("link", "path changed",
            {{"peer", config_.peer},
             {"connection", name_},
             {"from", to_string(from)},
             {"to", to_string(to)},
             {"reason", reason}});
  if (from == PathKind::relay) {
    direct_since_ = now;
  } else if (now - direct_since_ >= kProvenDirect) {
    ice_.reset_schedule();
  }
  if (to == PathKind::relay) {
    // Left because the relay is quicker than TURN, it is as good as before.
    if (link_.stats(from).state != PathState::alive) ice_.restart_later(reason, now);
  } else if (!to_direct_) {
    to_direct_ = now - began_at_;
  }
  host_.on_session_path(*this, from, to, reason);
}

void Session::on_path_expired(PathKind kind) {
  if (!ice_.pair() || pair_kind() != kind) return;
  log::debug("link", "nothing was heard on the path for 30 s",
             {{"peer", config_.peer}, {"connection", name_}, {"path", to_string(kind)}});
  ice_.drop_pair();
  ice_.restart_later("silent", host_.now());
}

void Session::on_relay_online(bool online) {
  if (stage_ == Stage::closed) return;
  const base::TimePoint now = host_.now();
  if (!online) return link_.path_lost(PathKind::relay, now, "no relay session");
  link_.path_available(PathKind::relay, now);
  // What was lost meanwhile need not wait for the timer that it drove up.
  if (quic_->outstanding() && link_.path() == PathKind::relay) kick_quic();
}

void Session::on_network_changed() {
  if (stage_ == Stage::closed) return;
  const base::TimePoint now = host_.now();
  link_.network_changed(now);
  ice_.reset_schedule();
  ice_.restart("network changed", now);
}

void Session::on_port_mapping() {
  if (stage_ == Stage::closed || !ice_.last_failure()) return;
  ice_.reset_schedule();
  ice_.restart("the gateway maps ports", host_.now());
}

void Session::set_direct_allowed(bool allowed) {
  if (config_.direct_allowed == allowed) return;
  config_.direct_allowed = allowed;
  if (control_->attached()) {
    say(proto::ControlDirectPolicy{allowed});
    // By the path that is about to go: heard before the Link's word that it was left, or the other end takes
    // the path for a bad one.
    flush();
    if (stage_ == Stage::closed) return;
  }
  update_ice(allowed ? "allowed" : "forbidden");
}

// Off on either side means that nothing is gathered here. The dialler begins before it knows the other's
// word, the answerer when it knows who dials: strangers learn no address.
void Session::update_ice(std::string_view reason) {
  if (stage_ == Stage::closed) return;
  const bool allowed = config_.direct_allowed && peer_allows_direct_;
  if (!allowed && ice_.running()) {
    if (ice_.pair()) {
      const PathKind kind = pair_kind();
      ice_.drop_pair();
      link_.path_withdrawn(kind, host_.now(), "disabled");
    }
    ice_.stop();
  } else if (allowed && !ice_.running() && (dialled_ || stage_ != Stage::handshaking)) {
    ice_.start(reason);
  }
}

void Session::lose_pair(std::string_view reason) {
  if (!ice_.pair()) return;
  const PathKind kind = pair_kind();
  ice_.drop_pair();
  link_.path_lost(kind, host_.now(), reason);
}

PathKind Session::pair_kind() const {
  return ice_.pair() && ice_.pair()->relayed() ? PathKind::turn : PathKind::direct;
}

// --- the agent ---

void Session::on_ice_candidate(std::uint32_t generation, const proto::Candidate& local) {
  host_.enter();
  (void)ice_.on_candidate(generation, local);
  host_.leave();
}

void Session::on_ice_gathering_done(std::uint32_t generation) {
  host_.enter();
  (void)ice_.on_gathering_done(generation);
  host_.leave();
}

void Session::on_ice_connected(std::uint32_t generation, const net::IcePair& pair) {
  host_.enter();
  const std::optional<PathKind> before = ice_.pair() ? std::optional(pair_kind()) : std::nullopt;
  if (ice_.on_connected(generation, pair)) {
    if (before) {
      link_.path_replaced(*before, pair_kind(), host_.now());
    } else {
      link_.path_available(pair_kind(), host_.now());
    }
  }
  host_.leave();
}

void Session::on_ice_failed(std::uint32_t generation, net::IceFailure failure) {
  host_.enter();
  if (ice_.on_failed(generation, failure, host_.now())) {
    // An earlier generation's pair that still carries the traffic is the Link's to judge.
    if (link_.path() == PathKind::relay) lose_pair("ICE failed");
    if (ice_.pair()) log::debug("ice", "the earlier pair stays", {{"peer", config_.peer}});
  }
  host_.leave();
}

// Flushed by on_ice_batch_end: one flush for all that arrived together.
void Session::on_ice_datagram(base::ByteView datagram) {
  host_.enter();
  const PathKind path = pair_kind();
  const std::optional<proto::DatagramKind> kind = proto::datagram_kind(datagram);
  if (kind == proto::DatagramKind::quic) {
    proto::QuicPackets packets(datagram);
    while (const auto packet = packets.next()) {
      const auto header = net::parse_packet_header(*packet);
      if (header && owns(header->destination)) receive_packet(path, *packet);
    }
  } else if (kind == proto::DatagramKind::link) {
    receive_link(path, datagram);
  }
  host_.leave_unflushed();
}

void Session::on_ice_batch_end() {
  host_.enter();
  host_.leave();
}

void Session::on_ice_candidate_seen(std::string_view side, std::uint32_t generation,
                                    const proto::Candidate& candidate, std::string_view state,
                                    std::string_view reason) {
  if (log::enabled(log::Level::debug)) {
    log::debug("ice", "candidate",
               {{"peer", config_.peer},
                {"side", side},
                {"state", state},
                {"generation", generation},
                {"candidate", candidate.text()},
                {"reason", reason}});
  }
  observer_.on_candidate(config_.peer, side, generation, candidate, state, reason);
}

// --- state ---

WhyNotDirect Session::why_not_direct() const {
  if (link_.path() == PathKind::direct) return WhyNotDirect::none;
  if (!config_.direct_allowed) return config_.proxied ? WhyNotDirect::proxy : WhyNotDirect::disabled;
  if (!peer_allows_direct_) return WhyNotDirect::peer_disabled;
  const WhyNotDirect flapping = link_.flapping(host_.now());
  if (flapping != WhyNotDirect::none) return flapping;
  // A TURN pair means that every better one was checked in vain.
  if (link_.path() == PathKind::turn) return WhyNotDirect::checks_failed;
  const std::optional<net::IceFailure> failure = ice_.last_failure();
  if (!failure) return WhyNotDirect::in_progress;
  return *failure == net::IceFailure::no_candidates ? WhyNotDirect::no_candidates
                                                    : WhyNotDirect::checks_failed;
}

PeerQuality Session::quality() const {
  const net::QuicStats stats = quic_->stats();
  PeerQuality out;
  out.rtt = rtt();
  if (stats.rtt_variation > base::Duration::zero()) out.jitter = stats.rtt_variation;
  out.delivery_rate = stats.delivery_rate;
  for (const PathKind kind : {PathKind::direct, PathKind::turn, PathKind::relay}) {
    out.packets_sent += link_.stats(kind).datagrams_sent;
  }
  out.packets_lost = stats.packets_lost;
  out.switches = switches();
  return out;
}

std::optional<base::Duration> Session::rtt() const {
  const PathStats& path = link_.stats(link_.path());
  if (path.smoothed_rtt) return path.smoothed_rtt;
  const base::Duration measured = quic_->stats().smoothed_rtt;
  return measured > base::Duration::zero() ? std::optional(measured) : std::nullopt;
}

}  // namespace p2pd::peer
