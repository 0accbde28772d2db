#include "net/ice_session.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "net/ice_memory.hpp"
#include "net/local_addresses.hpp"
#include "proto/datagram.hpp"

namespace p2pd::net {

namespace {

// Of our own: with a reflexive one to each, the other side's limit of 25 is not passed by much.
constexpr std::size_t kMaxLocalAddresses = 16;
// Datagrams of one round after which libnice is made to stop reading, or a fast sender would keep this thread
// for itself: it reads until the socket is empty.
constexpr std::size_t kMaxPerRound = 512;
// The size that every path must carry; a relayed send larger than this that fails is blamed on its size, as
// libnice does not say why.
constexpr std::size_t kSmallestPathSize = 1200;
// Touches the first page of libnice's buffer only.
constexpr std::size_t kShort = 4'000;
constexpr std::size_t kMaxRechecked = 2;  // addresses, four times each: libnice takes 25 remote candidates

IceSession& session(gpointer self) { return *static_cast<IceSession*>(self); }

SendOutcome outcome_of(int error) {
  switch (error) {
    case 0:
      return SendOutcome::sent;
    case EMSGSIZE:
      return SendOutcome::too_big;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
      return SendOutcome::no_path;
    default:
      return SendOutcome::blocked;
  }
}

proto::CandidatePolicy effective_policy(const IceConfig& config) {
  proto::CandidatePolicy policy = config.policy;
  policy.allow_loopback = policy.allow_loopback || config.allow_loopback;
  return policy;
}

}  // namespace

IceSession::IceSession(boost::asio::io_context& io, const IceConfig& config, std::uint32_t generation,
                       bool controlling, IceSessionOwner& owner)
    : io_(io),
      config_(config),
      generation_(generation),
      owner_(owner),
      loop_(io, [this] { on_dispatched(); }),
      rechecks_(io, [this] { check_again(); }),
      // Without CONSENT_FRESHNESS: four wake-ups in five seconds for what the Link's probes prove already.
      agent_(nice_agent_new_full(loop_.context(), NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_ICE_TRICKLE)),
      remote_(effective_policy(config)) {
  // Aggressive nomination is what the absence of NICE_AGENT_OPTION_REGULAR_NOMINATION means. Pacing of 5 ms
  // (RFC 8445 14.2 allows it) and no TCP: 17 ms to a pair where the defaults take 2.1 s. Port mapping is done
  // once for the whole daemon, not by each agent.
  g_object_set(agent_.get(), "upnp", gboolean{FALSE}, "ice-tcp", gboolean{FALSE}, "stun-pacing-timer",
               guint{5}, "controlling-mode", gboolean{controlling}, "force-relay",
               gboolean{config.relay_only}, nullptr);
  {
    const SparseBuffers sparse;
    stream_ = nice_agent_add_stream(agent_.get(), kComponent);
  }
  P2PD_ASSERT(stream_ != 0);
  nice_agent_set_stream_name(agent_.get(), stream_, "application");
  const auto connect = [this](const char* signal, GCallback handler) {
    g_signal_connect(agent_.get(), signal, handler, this);
  };
  connect("candidate-gathering-done", G_CALLBACK(&gathering_done_trampoline));
  connect("new-candidate-full", G_CALLBACK(&candidate_trampoline));
  connect("component-state-changed", G_CALLBACK(&state_trampoline));
  connect("new-selected-pair-full", G_CALLBACK(&selected_trampoline));
  nice_agent_attach_recv(agent_.get(), stream_, kComponent, loop_.context(), &receive_trampoline, this);
}

IceSession::~IceSession() { P2PD_ASSERT(agent_ == nullptr); }

IceCredentials IceSession::local_credentials() const {
  gchar* ufrag = nullptr;
  gchar* password = nullptr;
  const bool known = nice_agent_get_local_credentials(agent_.get(), stream_, &ufrag, &password);
  P2PD_ASSERT(known);
  IceCredentials credentials{ufrag, password};
  g_free(ufrag);
  g_free(password);
  return credentials;
}

// One address added by hand turns libnice's own enumeration off, so all are added by hand. Link-local ones
// are left out: the other side refuses them, and without a scope nothing could be sent there.
void IceSession::add_local_addresses() {
  std::vector<proto::Endpoint> added;
  std::vector<LocalAddress> locals = local_addresses();
  // libnice gathers, asks STUN and tells in the order in which they are added.
  std::ranges::stable_partition(locals, [this](const LocalAddress& local) {
    return config_.worked_before && local.address.same_address(*config_.worked_before);
  });
  for (const LocalAddress& local : locals) {
    const std::string_view refusal = local.link_local                            ? "link-local"
                                     : local.loopback && !config_.allow_loopback ? "loopback"
                                     : added.size() >= kMaxLocalAddresses        ? "too many"
                                     : std::count(added.begin(), added.end(), local.address) != 0
                                         ? "already there"
                                         : "";
    if (!refusal.empty()) {
      base::log::debug("ice", "local address not used",
                       {{"peer", config_.log_name},
                        {"address", local.address.address_text()},
                        {"interface", local.interface_name},
                        {"reason", refusal}});
      continue;
    }
    NiceAddress address = to_nice(local.address);
    if (nice_agent_add_local_address(agent_.get(), &address)) added.push_back(local.address);
  }
  local_addresses_ = added.size();
}

void IceSession::add_servers() {
  const IceServers& servers = *config_.servers;
  if (!servers.stun.empty()) {
    const auto& server = servers.stun[(generation_ - 1) % servers.stun.size()];
    g_object_set(agent_.get(), "stun-server", server.address_text().c_str(), "stun-server-port",
                 guint{server.port}, nullptr);
  }
  const std::size_t count = std::min<std::size_t>(servers.turn.size(), NICE_CANDIDATE_MAX_TURN_SERVERS);
  for (std::size_t i = 0; i < count; ++i) {
    const TurnServer& server = servers.turn[i];
    const TurnCredentials credentials = credentials_of(server, base::wall_now());
    nice_agent_set_relay_info(
        agent_.get(), stream_, kComponent, server.endpoint.address_text().c_str(), server.endpoint.port,
        credentials.user.c_str(), credentials.password.c_str(),
        server.transport == TurnServer::Transport::tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP);
  }
}

void IceSession::enlarge_buffers() {
  GPtrArray* sockets = nice_agent_get_sockets(agent_.get(), stream_, kComponent);
  if (sockets == nullptr) return;
  for (guint i = 0; i < sockets->len; ++i) {
    enlarge_socket_buffers(g_socket_get_fd(static_cast<GSocket*>(g_ptr_array_index(sockets, i))));
  }
  g_ptr_array_unref(sockets);
}

void IceSession::gather() {
  rechecks_.gathering();
  add_local_addresses();
  add_servers();
  // Without a local address libnice would look for some itself, loopback policy or not.
  if (local_addresses_ == 0 || !nice_agent_gather_candidates(agent_.get(), stream_)) {
    base::log::debug("ice", "nothing to gather on", {{"peer", config_.log_name}});
    nice_gathering_done_ = true;
    finish_gathering();
    return;
  }
  enlarge_buffers();
  loop_.schedule();
}

void IceSession::set_remote_credentials(const IceCredentials& credentials) {
  if (!well_formed(credentials)) {
    base::log::warn("ice", "the peer's ICE credentials are malformed", {{"peer", config_.log_name}});
    fail(IceFailure::agent_error);
    return;
  }
  if (has_remote_credentials_) return;  // RFC 8445 9: they change by a restart only
  has_remote_credentials_ = true;
  nice_agent_set_remote_credentials(agent_.get(), stream_, credentials.ufrag.c_str(),
                                    credentials.password.c_str());
  for (; handed_over_ < remote_.accepted().size(); ++handed_over_)
    hand_over(remote_.accepted()[handed_over_]);
  loop_.schedule();
}

void IceSession::add_remote_candidate(const proto::Candidate& candidate) {
  const auto verdict = remote_.offer(candidate);
  if (verdict.refusal != proto::CandidateRefusal::none) {
    base::log::debug("ice", "remote candidate refused",
                     {{"peer", config_.log_name},
                      {"generation", generation_},
                      {"candidate", candidate.text()},
                      {"reason", proto::to_string(verdict.refusal)}});
    return;
  }
  if (!has_remote_credentials_) return;
  hand_over(verdict.candidate);
  ++handed_over_;
  loop_.schedule();
}

void IceSession::hand_over(const proto::Candidate& candidate) {
  const NiceCandidatePtr converted = to_nice(candidate, stream_);
  GSList entry{converted.get(), nullptr};
  const int added = nice_agent_set_remote_candidates(agent_.get(), stream_, kComponent, &entry);
  base::log::debug(
      "ice", added == 1 ? "remote candidate accepted" : "remote candidate not taken by libnice",
      {{"peer", config_.log_name}, {"generation", generation_}, {"candidate", candidate.text()}});
  if (candidate.type == proto::CandidateType::srflx) rechecks_.theirs_known();
}

// The same addresses under another type are new pairs to libnice, which it checks at once.
void IceSession::check_again() {
  if (state_ != State::checking) return;
  std::size_t rechecked = 0;
  for (const proto::Candidate& candidate : remote_.accepted()) {
    if (candidate.type != proto::CandidateType::srflx || candidate.priority < 2) continue;
    proto::Candidate again = candidate;
    again.type = proto::CandidateType::host;
    again.related.reset();
    --again.priority;
    hand_over(again);
    if (++rechecked == kMaxRechecked) break;
  }
  loop_.schedule();
}

// As the peer named it.
proto::Candidate IceSession::as_offered(const proto::Candidate& remote) const {
  const auto& accepted = remote_.accepted();
  const auto found = std::find_if(accepted.begin(), accepted.end(), [&](const proto::Candidate& one) {
    return one.endpoint == remote.endpoint && one.type == proto::CandidateType::srflx;
  });
  return found != accepted.end() && remote.type == proto::CandidateType::host ? *found : remote;
}

void IceSession::remote_candidates_done() {
  remote_done_ = true;
  nice_agent_peer_candidate_gathering_done(agent_.get(), stream_);
  judge_progress();
}

// On a direct pair past libnice. Consent (RFC 7675) is what answers to the Link's probes prove.
SendOutcome IceSession::send(base::ByteView datagram) {
  if (state_ != State::connected) return SendOutcome::no_path;
  if (!socket_.open()) return send_through_agent(datagram);
  if (proto::datagram_kind(datagram) == proto::DatagramKind::link) frame_sent_at_ = g_get_monotonic_time();
  return outcome_of(socket_.send(datagram));
}

SendOutcome IceSession::send_batch(base::ByteView datagrams, std::size_t size) {
  if (state_ != State::connected) return SendOutcome::no_path;
  if (socket_.open()) return outcome_of(socket_.send_batch(datagrams, size));
  SendOutcome outcome = SendOutcome::sent;
  while (!datagrams.empty() && outcome == SendOutcome::sent)
    outcome = send_through_agent(base::take_front(datagrams, size));
  return outcome;
}

SendOutcome IceSession::send_through_agent(base::ByteView datagram) {
  const GOutputVector vector{datagram.data(), datagram.size()};
  // libnice does not write to it; its type is shared with the receiving functions.
  NiceOutputMessage message{const_cast<GOutputVector*>(&vector), 1};
  GError* error = nullptr;
  if (nice_agent_send_messages_nonblocking(agent_.get(), stream_, kComponent, &message, 1, nullptr, &error) ==
      1)
    return SendOutcome::sent;
  const int code = error != nullptr ? error->code : G_IO_ERROR_FAILED;
  g_clear_error(&error);
  if (code == G_IO_ERROR_WOULD_BLOCK) return SendOutcome::blocked;
  // The component is gone.
  if (code != G_IO_ERROR_FAILED) return SendOutcome::no_path;
  return datagram.size() > kSmallestPathSize ? SendOutcome::too_big : SendOutcome::blocked;
}

void IceSession::use_selected_pair() {
  NiceCandidate* local = nullptr;
  NiceCandidate* remote = nullptr;
  if (!nice_agent_get_selected_pair(agent_.get(), stream_, kComponent, &local, &remote)) return;
  const auto ours = to_candidate(*local);
  const auto theirs = to_candidate(*remote);
  if (!ours || !theirs) return;
  IcePair pair{*ours, as_offered(*theirs)};
  if (pair_ && pair_->local == pair.local && pair_->remote == pair.remote) return;
  socket_.reset();
  GSocket* selected = nice_agent_get_selected_socket(agent_.get(), stream_, kComponent);
  if (selected != nullptr && !pair.relayed()) {
    // libnice's own form of the address: what the socket's family understands.
    if (const auto address = to_endpoint(remote->addr)) socket_.adopt(g_socket_get_fd(selected), *address);
  }
  if (selected != nullptr) g_object_unref(selected);
  pair_ = pair;
  base::log::debug("ice", "pair selected",
                   {{"peer", config_.log_name},
                    {"generation", generation_},
                    {"local", pair.local.text()},
                    {"remote", pair.remote.text()}});
  owner_.on_session_event(*this, std::move(pair));
}

void IceSession::fail(IceFailure failure) {
  if (state_ == State::failed || state_ == State::closing) return;
  state_ = State::failed;
  socket_.reset();
  pair_.reset();
  owner_.on_session_event(*this, failure);
}

// RFC 8445 6.1.2.2: a pair's candidates are of one address family.
bool IceSession::pairable() const {
  const auto& remote = remote_.accepted();
  return std::any_of(remote.begin(), remote.end(), [this](const proto::Candidate& candidate) {
    return candidate.endpoint.v6 ? has_local_v6_ : has_local_v4_;
  });
}

// Whether there is still something to hope for. libnice says FAILED when all pairs it has so far have failed,
// which means nothing while candidates are still to come, and it never says it when it has none.
void IceSession::judge_progress() {
  if (state_ != State::checking) return;
  if (nice_state_ == NICE_COMPONENT_STATE_FAILED) {
    if (was_connected_ || (remote_done_ && gathering_done_)) fail(IceFailure::checks_failed);
    return;
  }
  if (!gathering_done_ || nice_state_ >= NICE_COMPONENT_STATE_CONNECTING) return;
  if (local_addresses_ == 0 || (remote_done_ && !pairable())) fail(IceFailure::no_candidates);
}

void IceSession::on_local_candidate(const NiceCandidate& candidate) {
  const auto converted = to_candidate(candidate);
  if (!converted) return;
  offer(*converted);
  if (converted->type == proto::CandidateType::host) ask_mapping(*converted);
}

void IceSession::offer(const proto::Candidate& candidate) {
  proto::CandidatePolicy policy;
  policy.allow_loopback = config_.allow_loopback;
  const auto refusal = proto::judge(candidate, policy);
  const bool offered = refusal == proto::CandidateRefusal::none;
  base::log::debug("ice", offered ? "local candidate gathered" : "local candidate not offered",
                   {{"peer", config_.log_name},
                    {"generation", generation_},
                    {"candidate", candidate.text()},
                    {"reason", proto::to_string(refusal)}});
  if (!offered) return;
  (candidate.endpoint.v6 ? has_local_v6_ : has_local_v4_) = true;
  if (candidate.type == proto::CandidateType::srflx) rechecks_.ours_known();
  owner_.on_session_event(*this, candidate);
}

void IceSession::ask_mapping(const proto::Candidate& host) {
  if (config_.mappings == nullptr || config_.relay_only || host.endpoint.v6) return;
  const std::size_t which = mapped_.size();
  mapped_.push_back({host});
  mapped_.back().id = config_.mappings->add(
      host.endpoint, io_.get_executor(),
      [this, which, alive = std::weak_ptr(alive_)](std::optional<proto::Endpoint> external) {
        if (!alive.expired() && state_ != State::closing) on_mapped(which, external);
      });
}

// To the other side a mapped port is a server-reflexive candidate (RFC 8445 5.1.1.2 leaves open where one
// comes from); libnice here need not know of it, what arrives by it arrives at the host candidate.
void IceSession::on_mapped(std::size_t which, std::optional<proto::Endpoint> external) {
  constexpr std::uint32_t kTypePreference = 100;  // RFC 8445 5.1.2.2
  Mapped& mapped = mapped_[which];
  if (external) {
    proto::Candidate candidate;
    candidate.type = proto::CandidateType::srflx;
    // Of another base or server than libnice's, so another foundation (RFC 8445 5.1.1.3).
    candidate.foundation = ("m" + mapped.host.foundation).substr(0, NICE_CANDIDATE_MAX_FOUNDATION - 1);
    candidate.priority = (kTypePreference << 24) | (mapped.host.priority & 0xff'ffff);
    candidate.endpoint = proto::canonical(*external);
    candidate.related = mapped.host.endpoint;
    offer(candidate);
  }
  mapped.answered = true;
  finish_gathering();
}

// The other side gives up when all checks have failed and no candidate is to come any more: so not before
// the mapper has answered.
void IceSession::finish_gathering() {
  const bool waiting =
      std::any_of(mapped_.begin(), mapped_.end(), [](const Mapped& one) { return !one.answered; });
  if (gathering_done_ || waiting || !nice_gathering_done_) return;
  gathering_done_ = true;
  rechecks_.ours_known();
  owner_.on_session_event(*this, IceGatheringDone{});
  judge_progress();
}

// CONNECTED, not READY: READY waits about two seconds for checks that will not succeed any more.
void IceSession::on_component_state(NiceComponentState state) {
  nice_state_ = state;
  if (state_ == State::closing) return;
  base::log::debug("ice", "component state",
                   {{"peer", config_.log_name},
                    {"generation", generation_},
                    {"state", nice_component_state_to_string(state)}});
  if (state == NICE_COMPONENT_STATE_CONNECTED || state == NICE_COMPONENT_STATE_READY) {
    state_ = State::connected;
    was_connected_ = true;
    use_selected_pair();
    return;
  }
  if (state_ == State::connected) {
    state_ = State::checking;
    socket_.reset();
    pair_.reset();
  }
  judge_progress();
}

void IceSession::on_received(base::ByteView datagram) {
  if (state_ == State::closing) return;
  if (socket_.coalesces() && proto::datagram_kind(datagram) == proto::DatagramKind::quic) {
    receive_coalesced(datagram);
  } else {
    tell_datagram(datagram, 1);
  }
}

// What the kernel glued together (UDP_GRO) has one size but for the last, and libnice keeps the size for
// itself: the prefixes tell.
void IceSession::receive_coalesced(base::ByteView datagrams) {
  proto::QuicPackets packets(datagrams);
  std::size_t count = 0;
  while (packets.next()) ++count;
  const base::ByteView rest = packets.rest();
  if (count > 0) tell_datagram(datagrams.first(datagrams.size() - rest.size()), count);
  const auto kind = proto::datagram_kind(rest);
  if (kind == proto::DatagramKind::link) {
    tell_datagram(rest, 1);
  } else if (kind == proto::DatagramKind::stun || kind == proto::DatagramKind::turn_channel) {
    base::log::info("ice", "packets that libnice should see came glued to others: receive offload is off",
                    {{"peer", config_.log_name}, {"generation", generation_}});
    socket_.stop_coalescing();
  }
}

void IceSession::tell_datagram(base::ByteView datagram, std::size_t packets) {
  if (state_ == State::closing) return;
  owner_.on_session_datagram(datagram, packets);
  in_dispatch_ += packets;
  if (in_dispatch_ < kMaxPerRound || !receiving_ || state_ == State::closing) return;
  receiving_ = false;
  nice_agent_attach_recv(agent_.get(), stream_, kComponent, loop_.context(), nullptr, nullptr);
}

// Long datagrams (of bulk, or that search for the packet size) leave memory behind all of libnice's buffer.
// Two short Link frames one after the other are a peer that has nothing to send.
void IceSession::spare_buffer(base::ByteView datagram, void* buffer) {
  const bool is_short = datagram.size() <= kShort;
  if (!is_short) buffer_used_ = true;
  const bool quiet = is_short && proto::datagram_kind(datagram) == proto::DatagramKind::link;
  quiet_frames_ = quiet ? quiet_frames_ + 1 : 0;
  // On a relayed pair the datagram need not begin where the buffer does.
  if (!buffer_used_ || quiet_frames_ < 2 || !socket_.open()) return;
  buffer_used_ = false;
  forget_contents(buffer);
}

void IceSession::on_dispatched() {
  // Here and not where it was sent: outside of a round it would wake the context up for this alone.
  if (const auto sent_at = std::exchange(frame_sent_at_, std::nullopt); sent_at && socket_.open())
    keepalive_.put_off(loop_.context(), *sent_at);
  if (!receiving_) {
    receiving_ = true;
    nice_agent_attach_recv(agent_.get(), stream_, kComponent, loop_.context(), &receive_trampoline, this);
  }
  if (std::exchange(in_dispatch_, 0) > 0 && state_ != State::closing) owner_.on_session_batch_end();
}

// nice_agent_close_async returns the TURN allocations and calls back; only then may the agent go, or they
// and their descriptors leak. Three retransmissions from 100 ms bound the wait for a dead server.
void IceSession::close(std::function<void()> done) {
  P2PD_ASSERT(state_ != State::closing);
  state_ = State::closing;
  closed_ = std::move(done);
  rechecks_.stop();
  socket_.reset();
  for (const Mapped& mapped : mapped_) config_.mappings->remove(mapped.id);
  g_signal_handlers_disconnect_by_data(agent_.get(), this);
  g_object_set(agent_.get(), "stun-initial-timeout", guint{100}, "stun-max-retransmissions", guint{3},
               nullptr);
  // The completion is delivered to the thread's default context, which must be the one that runs.
  g_main_context_push_thread_default(loop_.context());
  nice_agent_close_async(agent_.get(), &closed_trampoline, this);
  g_main_context_pop_thread_default(loop_.context());
  loop_.schedule();
}

// In a handler of its own: the callback runs inside the context, and its task still holds the agent.
void IceSession::finish_close() {
  agent_.reset();
  loop_.stop();
  const auto done = std::move(closed_);
  done();
}

void IceSession::gathering_done_trampoline(NiceAgent*, guint, gpointer self) noexcept {
  IceSession& it = session(self);
  it.nice_gathering_done_ = true;
  it.finish_gathering();
}

void IceSession::candidate_trampoline(NiceAgent*, NiceCandidate* candidate, gpointer self) noexcept {
  session(self).on_local_candidate(*candidate);
}

void IceSession::state_trampoline(NiceAgent*, guint, guint, guint state, gpointer self) noexcept {
  session(self).on_component_state(static_cast<NiceComponentState>(state));
}

void IceSession::selected_trampoline(NiceAgent*, guint, guint, NiceCandidate*, NiceCandidate*,
                                     gpointer self) noexcept {
  if (session(self).connected()) session(self).use_selected_pair();
}

void IceSession::receive_trampoline(NiceAgent*, guint, guint, guint size, gchar* data,
                                    gpointer self) noexcept {
  const base::ByteView datagram{reinterpret_cast<const std::uint8_t*>(data), size};
  session(self).on_received(datagram);
  session(self).spare_buffer(datagram, data);
}

void IceSession::closed_trampoline(GObject*, GAsyncResult*, gpointer self) noexcept {
  IceSession& it = session(self);
  boost::asio::post(it.io_, [&it] { it.finish_close(); });
}

}  // namespace p2pd::net
