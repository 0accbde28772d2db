#include "net/quic_ngtcp2.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <netinet/in.h>

#include "base/assert.hpp"
#include "base/random.hpp"
#include "net/quic_memory.hpp"

namespace p2pd::net {
namespace {

// A timer this close is due: re-arming one costs more than being early.
constexpr QuicClock::Stamp kDueSlack = 50'000;
// A kick doubles the back-off; past this the clock would jump for days and the connection is dead anyway.
constexpr QuicClock::Stamp kMaxJump = 86'400'000'000'000;
constexpr std::chrono::seconds kOverrunGrace{5};
constexpr std::size_t kMaxCloseText = 200;

// ngtcp2 must believe in one unchanging path; which one packets really take is the Link's business.
struct FakePath {
  sockaddr_in local{};
  sockaddr_in remote{};
  ngtcp2_path path{};

  FakePath() {
    local.sin_family = remote.sin_family = AF_INET;
    local.sin_addr.s_addr = remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(1);
    remote.sin_port = htons(2);
    path.local = {reinterpret_cast<sockaddr*>(&local), sizeof local};
    path.remote = {reinterpret_cast<sockaddr*>(&remote), sizeof remote};
  }
};

const ngtcp2_path& fake_path() {
  static const FakePath fake;
  return fake.path;
}

QuicClock::Stamp nanoseconds(std::chrono::milliseconds time) {
  return static_cast<QuicClock::Stamp>(std::max<std::int64_t>(time.count(), 1)) * NGTCP2_MILLISECONDS;
}

base::Duration to_duration(std::uint64_t nanoseconds) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::nanoseconds(nanoseconds));
}

// How much of a handshake datagram to look at: up to the first Version Negotiation, Retry or foreign packet.
// Anyone on the path can forge those, and we use neither.
std::size_t usable_prefix(base::ByteView datagram) {
  std::size_t at = 0;
  while (at < datagram.size() && (datagram[at] & 0x80) != 0) {
    ngtcp2_pkt_hd header{};
    const ngtcp2_ssize head = ngtcp2_pkt_decode_hd_long(&header, datagram.data() + at, datagram.size() - at);
    if (head < 0 || header.version != NGTCP2_PROTO_VER_V1 || header.type == NGTCP2_PKT_RETRY) return at;
    const std::size_t left = datagram.size() - at - static_cast<std::size_t>(head);
    if (header.len >= left) return datagram.size();
    at += static_cast<std::size_t>(head) + header.len;
  }
  return datagram.size();
}

}  // namespace

Ngtcp2Connection::Ngtcp2Connection(QuicConfig config, QuicEvents& events, Side side, base::TimePoint now)
    : config_(std::move(config)), events_(events), side_(side), clock_(now) {}

base::Result<std::unique_ptr<QuicConnection>> Ngtcp2Connection::create(QuicConfig config, QuicEvents& events,
                                                                       const ngtcp2_pkt_hd* initial,
                                                                       base::TimePoint now) {
  const Side side = initial == nullptr ? Side::client : Side::server;
  std::unique_ptr<Ngtcp2Connection> made(new Ngtcp2Connection(std::move(config), events, side, now));
  if (auto started = made->start(initial); !started) return started.error();
  return std::unique_ptr<QuicConnection>(std::move(made));
}

base::Result<void> Ngtcp2Connection::start(const ngtcp2_pkt_hd* initial) {
  auto tls = QuicTls::create(config_.identity, config_.peer, side_);
  if (!tls) return tls.error();
  tls_ = std::move(*tls);

  const ngtcp2_cid own = new_id();
  const ngtcp2_settings set = settings();
  ngtcp2_transport_params params = transport_params();
  ngtcp2_conn* raw = nullptr;
  int rv = 0;
  if (side_ == Side::client) {
    ngtcp2_cid first{};  // random, RFC 9000 7.2: at least 8 bytes
    first.datalen = kConnectionIdSize;
    fill_random({first.data, first.datalen});
    rv = ngtcp2_conn_client_new(&raw, &first, &own, &fake_path(), NGTCP2_PROTO_VER_V1, &callbacks(side_),
                                &set, &params, quic_memory(), this);
  } else {
    params.original_dcid = initial->dcid;
    ConnectionId& first = own_ids_.emplace_back();
    std::copy_n(initial->dcid.data, first.size(), first.begin());
    rv = ngtcp2_conn_server_new(&raw, &initial->scid, &own, &fake_path(), initial->version, &callbacks(side_),
                                &set, &params, quic_memory(), this);
  }
  if (rv != 0) return base::Error(make_error_code(QuicError::quic_library), ngtcp2_strerror(rv));
  connection_.reset(raw);
  tls_->attach(raw);
  return {};
}

ngtcp2_settings Ngtcp2Connection::settings() const {
  ngtcp2_settings set;
  ngtcp2_settings_default(&set);
  set.cc_algo = NGTCP2_CC_ALGO_BBR;
  set.initial_ts = clock_.last();
  set.initial_rtt = nanoseconds(config_.initial_rtt);
  set.rand_ctx.native_handle = const_cast<Ngtcp2Connection*>(this);
  set.max_window = config_.connection_window;
  set.max_stream_window = 0;  // consume() tunes it
  // The buffer given to write_packet() is the only limit: the Link knows what its path carries.
  set.no_pmtud = 1;
  set.no_tx_udp_payload_size_shaping = 1;
  set.max_tx_udp_payload_size = kMaxDatagram;
  return set;
}

ngtcp2_transport_params Ngtcp2Connection::transport_params() const {
  ngtcp2_transport_params params;
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = config_.stream_window;
  params.initial_max_stream_data_bidi_remote = config_.stream_window;
  params.initial_max_data = std::min(config_.connection_window, 4 * config_.stream_window);
  params.initial_max_streams_bidi = config_.max_streams;
  // ngtcp2 0.12.1 never closes the peer's unidirectional streams.
  params.initial_max_streams_uni = 0;
  // A long outage must not end the connection; its owner watches for life.
  params.max_idle_timeout = 0;
  params.max_udp_payload_size = kMaxDatagram;
  params.disable_active_migration = 1;
  params.grease_quic_bit = 1;
  // Told so that later versions may send some (RFC 9221); none is sent, and one that comes is ignored.
  params.max_datagram_frame_size = 65'535;
  return params;
}

void Ngtcp2Connection::fill_random(std::span<std::uint8_t> out) const {
  if (config_.random) {
    config_.random(out);
  } else {
    base::fill_random(out);
  }
}

ngtcp2_cid Ngtcp2Connection::new_id() {
  ConnectionId& own = own_ids_.emplace_back();
  fill_random(own);
  ngtcp2_cid id{};
  id.datalen = own.size();
  std::copy(own.begin(), own.end(), id.data);
  return id;
}

bool Ngtcp2Connection::owns(base::ByteView destination) const {
  return std::any_of(own_ids_.begin(), own_ids_.end(),
                     [&](const ConnectionId& own) { return std::ranges::equal(own, destination); });
}

bool Ngtcp2Connection::receive(base::ByteView packet, base::TimePoint now) {
  P2PD_ASSERT(!in_library_);
  if (!live()) {
    // RFC 9000 10.2.1: answer ever fewer packets with the same CONNECTION_CLOSE.
    if (!farewell_packet_.empty() && std::has_single_bit(++packets_after_end_)) repeat_due_ = true;
    return false;
  }
  if (ngtcp2_conn_get_handshake_completed(connection_.get()) == 0) {
    packet = packet.first(usable_prefix(packet));
  }
  if (packet.empty()) return false;

  const ngtcp2_pkt_info info{};
  decrypted() = false;
  in_library_ = true;
  const int rv = ngtcp2_conn_read_pkt(connection_.get(), &fake_path(), &info, packet.data(), packet.size(),
                                      clock_.stamp(now));
  in_library_ = false;
  if (forgetting_) end_tls_session();
  // Initial packets are sealed with a key that anyone can derive, and before the handshake's end the keys are
  // nobody's in particular.
  const bool authentic = decrypted() && ngtcp2_conn_get_handshake_completed(connection_.get()) != 0;
  if (authentic) {
    kicked_.reset();
    unblock_streams();
    const ngtcp2_conn_stat stat = statistics();
    if (stat.min_rtt != QuicClock::kNoStamp) pacer_.round_trip(clock_.last(), stat.latest_rtt);
  }
  if (rv == NGTCP2_ERR_FLOW_CONTROL && overrun_excused(now)) return authentic;
  if (rv == 0 && authentic) overrun_since_.reset();
  if (rv != 0 && !farewell_) fail(rv);
  return authentic;
}

// ngtcp2 0.12.1 may send a stream's new limit one packet before it counts with it itself, when lost data
// filled the packet in between. So a packet over the limit is dropped like a lost one, it will come again; a
// peer that has nothing else to send is in error.
bool Ngtcp2Connection::overrun_excused(base::TimePoint now) {
  if (!overrun_since_) overrun_since_ = now;
  return now - *overrun_since_ < kOverrunGrace;
}

base::TimePoint Ngtcp2Connection::deadline() const {
  if (repeat_due_ || farewell_) return clock_.time(clock_.last());
  if (phase_ == Phase::closed) return base::kNever;
  return clock_.time(ngtcp2_conn_get_expiry(connection_.get()));
}

void Ngtcp2Connection::on_time(base::TimePoint now) {
  P2PD_ASSERT(!in_library_);
  if (!live()) return;
  const QuicClock::Stamp stamp = clock_.stamp(now);
  const QuicClock::Stamp expiry = ngtcp2_conn_get_expiry(connection_.get());
  if (expiry > stamp + kDueSlack) return;
  clock_.reach(expiry);
  in_library_ = true;
  const int rv = ngtcp2_conn_handle_expiry(connection_.get(), clock_.last());
  in_library_ = false;
  if (rv != 0 && !farewell_) fail(rv);
}

void Ngtcp2Connection::kick(base::TimePoint now) {
  P2PD_ASSERT(!in_library_);
  if (!live()) return;
  QuicClock::Stamp stamp = clock_.stamp(now);
  // The probes of the last kick may still be answered; another would only double the back-off.
  if (kicked_ && now - *kicked_ < to_duration(ngtcp2_conn_get_pto(connection_.get()))) return;
  pacer_.forget_round_trips();
  // The timer may stand for packets about to be declared lost: fire it, then the probe timer behind it.
  for (int step = 0; step < 2; ++step) {
    const ngtcp2_conn_stat stat = statistics();
    if (stat.loss_detection_timer == QuicClock::kNoStamp) return;
    if (stat.loss_detection_timer > stamp + kMaxJump) return;
    const bool loss_time = std::any_of(std::begin(stat.loss_time), std::end(stat.loss_time),
                                       [](ngtcp2_tstamp time) { return time != QuicClock::kNoStamp; });
    clock_.jump_to(stat.loss_detection_timer);
    stamp = clock_.last();
    kicked_ = now;
    in_library_ = true;
    const int rv = ngtcp2_conn_handle_expiry(connection_.get(), stamp);
    in_library_ = false;
    if (rv != 0) return fail(rv);
    if (!loss_time) return;
  }
}

void Ngtcp2Connection::complete() {
  if (phase_ != Phase::handshaking || farewell_) return;
  phase_ = Phase::completed;
  events_.on_completed();
}

void Ngtcp2Connection::confirm() {
  if ((phase_ != Phase::handshaking && phase_ != Phase::completed) || farewell_) return;
  phase_ = Phase::confirmed;
  events_.on_confirmed();
}

void Ngtcp2Connection::close(CloseCode code, std::string_view text) {
  if (!live()) return;
  Farewell& farewell = farewell_.emplace(Farewell{});
  farewell.text = text.substr(0, kMaxCloseText);
  ngtcp2_connection_close_error_set_application_error(&farewell.error, static_cast<std::uint64_t>(code),
                                                      nullptr, 0);
}

// An error found by ngtcp2, or told to it by the peer.
void Ngtcp2Connection::fail(int library_error) {
  switch (library_error) {
    case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
      return;  // not authenticated; we speak one version
    case NGTCP2_ERR_DRAINING:
      return end_by_peer();
    case NGTCP2_ERR_DROP_CONN:
    case NGTCP2_ERR_RETRY:
      return end({CloseReason::By::error, 0, false, "the first packet holds no handshake"});
    default:
      break;
  }
  CloseReason reason{CloseReason::By::error, 0, tls_->wrong_key(), {}};
  Farewell& farewell = farewell_.emplace(Farewell{});
  if (wrong_protocol_) {
    reason.text = "the other end does not speak p2pd/1";
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&farewell.error,
                                                                GNUTLS_A_NO_APPLICATION_PROTOCOL, nullptr, 0);
  } else if (library_error == NGTCP2_ERR_CRYPTO) {
    const std::uint8_t alert = ngtcp2_conn_get_tls_alert(connection_.get());
    reason.authentication_failed = reason.authentication_failed || is_authentication_alert(alert);
    const char* name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
    reason.text = reason.authentication_failed
                      ? "the other end's key is not the expected one"
                      : std::string("TLS handshake failed: ") + (name != nullptr ? name : "unknown alert");
    ngtcp2_connection_close_error_set_transport_error_tls_alert(&farewell.error, alert, nullptr, 0);
  } else {
    reason.text = library_error == NGTCP2_ERR_HANDSHAKE_TIMEOUT
                      ? "the other end did not finish the handshake in time"
                      : std::string("QUIC error: ") + ngtcp2_strerror(library_error);
    ngtcp2_connection_close_error_set_transport_error_liberr(&farewell.error, library_error, nullptr, 0);
  }
  end(reason);
}

void Ngtcp2Connection::end_by_peer() {
  ngtcp2_connection_close_error error{};
  ngtcp2_conn_get_connection_close_error(connection_.get(), &error);
  CloseReason reason;
  reason.text.assign(base::as_text({error.reason, error.reasonlen}).substr(0, kMaxCloseText));
  constexpr std::uint64_t kCryptoError = NGTCP2_CRYPTO_ERROR;  // 0x100 and a TLS alert
  if (error.type == NGTCP2_CONNECTION_CLOSE_ERROR_CODE_TYPE_APPLICATION) {
    reason.by = CloseReason::By::peer;
    reason.code = error.error_code;
  } else if (error.error_code == NGTCP2_APPLICATION_ERROR) {
    // RFC 9000 10.2.3: closed during the handshake, where the application's reason is not shown.
    reason.by = CloseReason::By::peer;
    reason.text = "the other end gave up during the handshake";
  } else if (error.error_code >= kCryptoError && error.error_code < kCryptoError + 0x100) {
    const std::uint64_t alert = error.error_code - kCryptoError;
    reason.authentication_failed = is_authentication_alert(alert);
    const char* name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
    reason.text = reason.authentication_failed ? "the other end does not accept our key"
                                               : std::string("the other end's TLS failed: ") +
                                                     (name != nullptr ? name : "unknown alert");
  } else if (reason.text.empty()) {
    reason.text = "the other end's QUIC failed with error " + std::to_string(error.error_code);
  }
  end(reason);
}

void Ngtcp2Connection::end(const CloseReason& reason) {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  streams_.clear();
  turns_.clear();
  blocked_.clear();
  resets_.clear();
  events_.on_closed(reason);
}

std::size_t Ngtcp2Connection::write_farewell(std::span<std::uint8_t> out, QuicClock::Stamp stamp) {
  Farewell farewell = std::move(*farewell_);
  farewell.error.reason = reinterpret_cast<std::uint8_t*>(farewell.text.data());
  farewell.error.reasonlen = farewell.text.size();
  ngtcp2_pkt_info info{};
  // Nothing comes out when nothing was sent before: the peer does not know of us.
  const ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(connection_.get(), nullptr, &info, out.data(),
                                         std::min(out.size(), kMinDatagram), &farewell.error, stamp);
  farewell_.reset();
  if (size > 0) farewell_packet_.assign(out.begin(), out.begin() + size);
  if (phase_ != Phase::closed) {
    end({CloseReason::By::self, farewell.error.error_code, false, farewell.text});
  }
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

std::size_t Ngtcp2Connection::repeat_farewell(std::span<std::uint8_t> out) {
  if (!std::exchange(repeat_due_, false)) return 0;
  std::copy(farewell_packet_.begin(), farewell_packet_.end(), out.begin());
  return farewell_packet_.size();
}

ngtcp2_conn_stat Ngtcp2Connection::statistics() const {
  ngtcp2_conn_stat stat{};
  ngtcp2_conn_get_conn_stat(connection_.get(), &stat);
  return stat;
}

bool Ngtcp2Connection::outstanding() const {
  if (phase_ == Phase::closed) return false;
  if (farewell_ || phase_ != Phase::confirmed || has_sendable()) return true;
  // Not bytes_in_flight: a padded acknowledgement counts there, and nobody acknowledges one.
  return statistics().loss_detection_timer != QuicClock::kNoStamp;
}

QuicStats Ngtcp2Connection::stats() const {
  const ngtcp2_conn_stat stat = statistics();
  QuicStats stats;
  stats.smoothed_rtt = to_duration(stat.smoothed_rtt);
  stats.min_rtt = to_duration(stat.min_rtt == QuicClock::kNoStamp ? stat.smoothed_rtt : stat.min_rtt);
  if (stat.first_rtt_sample_ts != QuicClock::kNoStamp) stats.rtt_variation = to_duration(stat.rttvar);
  stats.bytes_in_flight = stat.bytes_in_flight;
  stats.congestion_window = stat.cwnd;
  stats.delivery_rate = stat.delivery_rate_sec;
  stats.packets_lost = pacer_.repeat_count();
  return stats;
}

base::Bytes Ngtcp2Connection::export_secret(std::string_view label, std::size_t size) const {
  P2PD_ASSERT(ngtcp2_conn_get_handshake_completed(connection_.get()) != 0);
  return tls_->export_secret(label, size);
}

void Ngtcp2Connection::forget_handshake() {
  P2PD_ASSERT(phase_ != Phase::handshaking);
  forgetting_ = true;
  if (!in_library_) end_tls_session();
}

void Ngtcp2Connection::end_tls_session() {
  forgetting_ = false;
  if (!tls_->session_ended()) tls_->end_session();
}

}  // namespace p2pd::net
