#include "peer/peer.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "peer/peer_error.hpp"
#include "peer/peer_impl.hpp"

namespace p2pd::peer {

namespace log = base::log;

namespace {

constexpr std::size_t kMaxPings = 64;

PeerState kind_of(const State& state) {
  if (std::holds_alternative<Dialing>(state)) return PeerState::dialing;
  if (std::holds_alternative<Established>(state)) return PeerState::established;
  if (std::holds_alternative<Backoff>(state)) return PeerState::backoff;
  return PeerState::idle;
}

}  // namespace

std::string_view to_string(PeerState state) {
  switch (state) {
    case PeerState::idle:
      return "idle";
    case PeerState::dialing:
      return "dialing";
    case PeerState::established:
      return "established";
    case PeerState::backoff:
      return "backoff";
  }
  return "unknown";
}

// --- Peer: the fence around Impl ---

Peer::Peer(PeerConfig config, PeerHost& host, RelayPort& relay, MessageStore& store, PeerObserver& observer)
    : impl_(std::make_unique<Impl>(std::move(config), host, relay, store, observer)) {}
Peer::~Peer() = default;
void Peer::connect() { impl_->connect(); }
void Peer::disconnect() { impl_->disconnect(); }
bool Peer::wanted() const { return impl_->wanted(); }
void Peer::on_relay_datagram(base::ByteView datagram) { impl_->on_relay_datagram(datagram); }
void Peer::on_relay_online(bool) { impl_->on_relay_online(); }
void Peer::on_presence(Presence presence) { impl_->on_presence(presence); }
void Peer::on_network_changed() { impl_->on_network_changed(); }
void Peer::on_port_mapping() { impl_->on_port_mapping(); }
void Peer::on_outbox_changed() { impl_->on_outbox_changed(); }
void Peer::send_file(OutgoingFile file) { impl_->send_file(std::move(file)); }
void Peer::cancel_incoming_file(const proto::TransferId& id) { impl_->cancel_incoming_file(id); }
void Peer::open_service(const std::string& service, std::shared_ptr<StreamEnd> end) {
  impl_->open_service(service, std::move(end));
}
bool Peer::abandon_service(const StreamEnd& end) { return impl_->abandon_service(end); }
void Peer::set_direct_allowed(bool allowed) { impl_->set_direct_allowed(allowed); }
void Peer::set_direct_allowed_once(bool allowed) { impl_->set_direct_allowed_once(allowed); }
void Peer::set_own_relays(std::vector<std::string> urls) { impl_->set_own_relays(std::move(urls)); }
void Peer::ping(std::function<void(base::Result<PingReply>)> done, base::Duration timeout) {
  impl_->ping(std::move(done), timeout);
}
bool Peer::ask_net(std::uint64_t id) { return impl_->ask_net(id); }
void Peer::answer_net(const proto::ControlNetReport& report) { impl_->answer_net(report); }
PeerStatus Peer::status() const { return impl_->status(); }
base::TimePoint Peer::deadline() const { return impl_->deadline(); }
void Peer::on_time() { impl_->on_time(); }
void Peer::shut_down(net::CloseCode code, std::function<void()> done) {
  impl_->shut_down(code, std::move(done));
}

// --- inputs ---

Peer::Impl::Impl(PeerConfig config, PeerHost& host, RelayPort& relay, MessageStore& store,
                 PeerObserver& observer)
    : config_(std::move(config)),
      host_(host),
      relay_(relay),
      store_(store),
      observer_(observer),
      role_(role_of(config_.identity->id(), config_.peer)),
      received_(std::make_shared<const ReceivedTeller>(
          [this](std::uint64_t up_to) { observer_.on_messages_received(config_.peer, up_to); })),
      outbox_waiting_(config_.outbox_waiting) {
  const Turn turn(*this);
  if (demand()) apply(config_.wanted ? Event(Wished{}) : Event(MessageWaits{}));
}

// Sessions hand their agents over as they go, while there is still somebody to take them.
Peer::Impl::~Impl() { connections_.clear(); }

void Peer::Impl::connect() {
  if (shut_down_) return;
  const Turn turn(*this);
  config_.wanted = true;
  apply(Wished{});
}

void Peer::Impl::disconnect() {
  if (shut_down_) return;
  const Turn turn(*this);
  config_.wanted = false;
  fail_pings(PeerError::cancelled);
  fail_services(StreamEnding::disconnected);
  apply(Dropped{});
}

void Peer::Impl::on_relay_online() {
  if (shut_down_) return;
  const Turn turn(*this);
  for (const Connection& connection : connections_) connection.session->on_relay_online(relay_.online());
  apply(RelayChanged{});
}

void Peer::Impl::on_presence(Presence presence) {
  if (shut_down_) return;
  const Turn turn(*this);
  log::debug("peer", "presence", {{"peer", config_.peer}, {"presence", static_cast<int>(presence)}});
  presence_ = presence;
  if (presence != Presence::here) return;
  start_check();
  apply(PeerCame{});
}

void Peer::Impl::on_port_mapping() {
  if (shut_down_ || current_ == nullptr) return;
  const Turn turn(*this);
  current_->on_port_mapping();
}

void Peer::Impl::on_network_changed() {
  if (shut_down_) return;
  const Turn turn(*this);
  for (const Connection& connection : connections_) connection.session->on_network_changed();
  apply(NetworkChanged{});
}

void Peer::Impl::on_outbox_changed() {
  if (shut_down_) return;
  const Turn turn(*this);
  outbox_waiting_ = true;
  if (current_ != nullptr) current_->on_outbox_changed();
  apply(MessageWaits{});
}

void Peer::Impl::set_direct_allowed(bool allowed) {
  if (shut_down_) return;
  const Turn turn(*this);
  config_.direct_allowed = allowed;
  for (const Connection& connection : connections_) connection.session->set_direct_allowed(direct_allowed());
}

void Peer::Impl::set_direct_allowed_once(bool allowed) {
  if (shut_down_) return;
  const Turn turn(*this);
  direct_allowed_once_ = allowed;
  for (const Connection& connection : connections_) connection.session->set_direct_allowed(direct_allowed());
}

void Peer::Impl::set_own_relays(std::vector<std::string> urls) {
  if (shut_down_) return;
  const Turn turn(*this);
  config_.own_relays = std::move(urls);
  for (const Connection& connection : connections_) {
    connection.session->set_own_relays(session_config().own_relays);
  }
}

bool Peer::Impl::ask_net(std::uint64_t id) {
  if (shut_down_ || current_ == nullptr) return false;
  const Turn turn(*this);
  current_->tell(proto::ControlNetQuestion{id});
  return true;
}

void Peer::Impl::answer_net(const proto::ControlNetReport& report) {
  if (shut_down_ || current_ == nullptr) return;
  const Turn turn(*this);
  current_->tell(report);
}

// --- pings ---

void Peer::Impl::ping(std::function<void(base::Result<PingReply>)> done, base::Duration timeout) {
  if (shut_down_) return done(base::Error(make_error_code(PeerError::cancelled)));
  if (pings_.size() >= kMaxPings) return done(base::Error(make_error_code(PeerError::busy)));
  const Turn turn(*this);
  pings_.push_back({next_ping_++, std::move(done), now() + timeout, std::nullopt});
  if (current_ != nullptr) {
    send_ping(pings_.back());
  } else {
    apply(Wished{});
  }
}

void Peer::Impl::send_ping(Ping& ping) {
  ping.sent = now();
  current_->ping(ping.id);
}

void Peer::Impl::on_session_pong(std::uint64_t id) {
  if (check_ && check_->id == id) check_.reset();
  const auto found =
      std::find_if(pings_.begin(), pings_.end(), [&](const Ping& ping) { return ping.id == id; });
  if (found == pings_.end() || current_ == nullptr || !found->sent) return;
  const PingReply reply{now() - *found->sent, current_->path()};
  const auto done = std::move(found->done);
  pings_.erase(found);
  done(reply);
}

void Peer::Impl::fail_pings(PeerError error) {
  for (Ping& ping : std::exchange(pings_, {})) ping.done(base::Error(make_error_code(error)));
}

// --- state ---

bool Peer::Impl::demand() const {
  return config_.wanted || outbox_waiting_ || !pings_.empty() || !opens_.empty() ||
         std::any_of(files_.begin(), files_.end(), [](const OutgoingFile& f) { return f.source != nullptr; });
}

Facts Peer::Impl::facts() {
  std::array<std::uint8_t, 4> random{};
  host_.fill_random(random);
  const auto value = base::ByteReader(random).u32();
  return {demand(), relay_.online(), static_cast<double>(value) / 4294967296.0};
}

void Peer::Impl::apply(const Event& event) {
  const PeerState before = kind_of(state_);
  const Step next = step(state_, event, facts());
  state_ = next.state;
  const auto* waiting = std::get_if<Backoff>(&state_);
  if (next.actions.back_off) {
    back_off_until_ = now() + *next.actions.back_off;
  } else if (waiting == nullptr || waiting->for_relay) {
    back_off_until_ = base::kNever;
  }
  if (kind_of(state_) != before) tell_state(before, next.reason);
  if (next.actions.close) close_all(net::CloseCode::disconnected, "disconnected");
  if (next.actions.cancel_dial) abandon_dials(nullptr);
  if (next.actions.dial) dial();
  if (next.actions.hurry) hurry_dial();
  again_ = true;
}

void Peer::Impl::tell_state(PeerState before, std::string_view reason) {
  const bool was = before == PeerState::dialing || before == PeerState::established;
  if (before == PeerState::established) tell_quality();
  if (!was) {
    bytes_before_ = bytes_;
    path_clock_.restart(now());
  }
  const std::string_view name = to_string(kind_of(state_));
  // A peer that is away is dialled for ever: that goes on below the level of lifecycle.
  const bool matters = before == PeerState::established || kind_of(state_) == PeerState::established;
  log::write(matters ? log::Level::info : log::Level::debug, "peer", "state",
             {{"peer", config_.peer}, {"state", name}, {"reason", reason}});
  observer_.on_state_changed(config_.peer, name, reason);
}

// Before the observer hears of the end: it belongs to the attempt that ends.
void Peer::Impl::tell_quality() {
  if (current_ != nullptr) observer_.on_quality(config_.peer, quality());
}

void Peer::Impl::tell_why_not_direct() {
  if (current_ == nullptr) {
    told_why_.reset();
    return;
  }
  const WhyNotDirect why = current_->why_not_direct();
  if (told_why_ == why) return;
  told_why_ = why;
  observer_.on_why_not_direct(config_.peer, why);
}

PeerQuality Peer::Impl::quality() const {
  PeerQuality out = current_->quality();
  for (std::size_t i = 0; i < kPathKinds; ++i) {
    out.bytes[i] = {bytes_[i].tx - bytes_before_[i].tx, bytes_[i].rx - bytes_before_[i].rx};
  }
  out.time = path_clock_.times(now());
  return out;
}

PeerStatus Peer::Impl::status() const {
  PeerStatus out;
  out.state = kind_of(state_);
  out.bytes = bytes_;
  out.last_error = last_error_;
  if (current_ == nullptr) {
    const auto barred = config_.proxied ? WhyNotDirect::proxy : WhyNotDirect::disabled;
    out.why_not_direct = direct_allowed() ? WhyNotDirect::in_progress : barred;
    return out;
  }
  out.path = current_->path();
  out.why_not_direct = current_->why_not_direct();
  out.rtt = current_->rtt();
  if (out.path != PathKind::relay && current_->pair()) {
    out.local_candidate = current_->pair()->local;
    out.remote_candidate = current_->pair()->remote;
  }
  out.to_relay = current_->to_relay();
  out.to_direct = current_->to_direct();
  out.switches = current_->switches();
  out.connection = current_->name();
  out.quality = quality();
  return out;
}

}  // namespace p2pd::peer
