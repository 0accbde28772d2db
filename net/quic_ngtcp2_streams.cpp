// Streams, and the packets that carry them.
#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.hpp"
#include "net/quic_ngtcp2.hpp"

namespace p2pd::net {
namespace {

// In one STREAM frame. ngtcp2 0.12.1 leaks some frames of four and more when they are lost and acknowledged
// late.
constexpr std::size_t kMaxPieces = 3;
// What a packet holds besides stream data sent for the first time: headers and some frames. One with more
// repeats lost data.
constexpr std::size_t kPacketOverhead = 256;
// A DATAGRAM frame (RFC 9221) that fits into no packet.
constexpr std::array<std::uint8_t, kMaxDatagram> kTooBig{};

}  // namespace

base::Result<StreamId> Ngtcp2Connection::open_stream() {
  const bool open = phase_ == Phase::confirmed || phase_ == Phase::completed;
  if (!open || farewell_) return base::Error(make_error_code(QuicError::not_open));
  std::int64_t id = -1;
  const int rv = ngtcp2_conn_open_bidi_stream(connection_.get(), &id, nullptr);
  if (rv == NGTCP2_ERR_STREAM_ID_BLOCKED) return base::Error(make_error_code(QuicError::stream_limit));
  if (rv != 0) return base::Error(make_error_code(QuicError::quic_library), ngtcp2_strerror(rv));
  add_stream(id);
  return StreamId{id};
}

std::size_t Ngtcp2Connection::write(StreamId id, base::ByteView data) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->sending != Stream::Sending::open) return 0;
  stream->queue.append(data);
  if (!data.empty()) queue_turn(static_cast<std::int64_t>(id), *stream);
  return stream->queue.size();
}

void Ngtcp2Connection::finish(StreamId id) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->sending != Stream::Sending::open) return;
  stream->sending = Stream::Sending::finishing;
  queue_turn(static_cast<std::int64_t>(id), *stream);
}

void Ngtcp2Connection::reset(StreamId id, CloseCode code) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->abandoned) return;
  stream->abandoned = true;
  stream->sending = Stream::Sending::ended;
  // What is in flight must keep its place in memory until the stream is closed.
  stream->queue.drop_unsent();
  resets_.push_back({static_cast<std::int64_t>(id), static_cast<std::uint64_t>(code)});
}

void Ngtcp2Connection::stop_reading(StreamId id, CloseCode code) {
  const Stream* stream = find(id);
  if (stream == nullptr || stream->abandoned) return;
  resets_.push_back({static_cast<std::int64_t>(id), static_cast<std::uint64_t>(code), false});
}

// The stream's window doubles while its reader takes half of it in two round trips. Done here because ngtcp2
// 0.12.1 gets it wrong: it forgets an enlargement that finds no room in a packet, sends it with the next, and
// calls the peer that uses it in error.
void Ngtcp2Connection::consume(StreamId id, std::size_t count) {
  Stream* stream = live() ? find(id) : nullptr;
  if (stream == nullptr) return;
  std::uint64_t credit = count;
  stream->consumed += count;
  if (stream->consumed >= stream->window / 2) {
    if (clock_.last() - stream->looked < 2 * statistics().smoothed_rtt) {
      const std::uint64_t most = std::max(config_.max_stream_window, stream->window);
      const std::uint64_t left = config_.window_growth - std::min(grown_, config_.window_growth);
      const std::uint64_t growth = std::min({stream->window, most - stream->window, left});
      stream->window += growth;
      grown_ += growth;
      credit += growth;
    }
    stream->consumed = 0;
    stream->looked = clock_.last();
  }
  ngtcp2_conn_extend_max_stream_offset(connection_.get(), static_cast<std::int64_t>(id), credit);
}

std::size_t Ngtcp2Connection::unacknowledged(StreamId id) const {
  const auto found = streams_.find(static_cast<std::int64_t>(id));
  return found == streams_.end() ? 0 : found->second.queue.size();
}

std::size_t Ngtcp2Connection::unsent(StreamId id) const {
  const auto found = streams_.find(static_cast<std::int64_t>(id));
  return found == streams_.end() ? 0 : found->second.queue.unsent();
}

void Ngtcp2Connection::add_stream(std::int64_t id) {
  Stream& stream = streams_[id];
  stream.window = config_.stream_window;
  stream.looked = clock_.last();
}

Ngtcp2Connection::Stream* Ngtcp2Connection::find(StreamId id) {
  const auto found = streams_.find(static_cast<std::int64_t>(id));
  return found == streams_.end() ? nullptr : &found->second;
}

Ngtcp2Connection::Stream* Ngtcp2Connection::find_live(std::int64_t id) {
  if (!live()) return nullptr;
  Stream* stream = find(StreamId{id});
  return stream == nullptr || stream->abandoned ? nullptr : stream;
}

void Ngtcp2Connection::queue_turn(std::int64_t id, Stream& stream) {
  if (stream.turn != Stream::Turn::idle) return;
  stream.turn = Stream::Turn::queued;
  turns_.push_back(id);
}

// Any packet may have brought credit, or a STOP_SENDING: ngtcp2 0.12.1 reports neither for certain.
void Ngtcp2Connection::unblock_streams() {
  for (const std::int64_t id : blocked_) {
    Stream* stream = find(StreamId{id});
    if (stream == nullptr || stream->turn != Stream::Turn::blocked) continue;
    stream->turn = Stream::Turn::idle;
    queue_turn(id, *stream);
  }
  blocked_.clear();
}

void Ngtcp2Connection::stop_sending(std::int64_t id, std::uint64_t code) {
  Stream* stream = find(StreamId{id});
  if (stream == nullptr || stream->sending == Stream::Sending::ended) return;
  stream->sending = Stream::Sending::ended;
  stream->queue.drop_unsent();
  if (live()) events_.on_stream_stopped(StreamId{id}, code);
}

bool Ngtcp2Connection::has_sendable() const {
  return !resets_.empty() || (!turns_.empty() && ngtcp2_conn_get_max_data_left(connection_.get()) > 0);
}

std::size_t Ngtcp2Connection::write_packet(std::span<std::uint8_t> out, base::TimePoint now) {
  P2PD_ASSERT(!in_library_ && out.size() >= kMinDatagram);
  const QuicClock::Stamp stamp = clock_.stamp(now);
  if (farewell_) return write_farewell(out, stamp);
  if (phase_ == Phase::closed) return repeat_farewell(out);

  // ngtcp2 pads Initial packets to the whole buffer.
  const std::size_t limit = phase_ == Phase::confirmed ? std::min(out.size(), kMaxDatagram) : kMinDatagram;
  stopped_.clear();
  in_library_ = true;
  ngtcp2_ssize size = apply_resets();
  if (size == 0) size = fill_packet(out.first(limit), stamp);
  in_library_ = false;
  for (const std::int64_t id : stopped_) {
    const Stream* stream = find(StreamId{id});
    if (stream != nullptr) stop_sending(id, stream->peer_code);
  }
  if (size < 0) {
    fail(static_cast<int>(size));
    return farewell_ ? write_farewell(out, stamp) : 0;
  }
  pacer_.add(static_cast<std::size_t>(size));
  if (size == 0 || (pacer_.long_burst(limit) && pacer_.burst_over(limit, rate(statistics()))))
    end_burst(stamp);
  return static_cast<std::size_t>(size);
}

int Ngtcp2Connection::apply_resets() {
  for (const PendingReset& pending : std::exchange(resets_, {})) {
    // Each is put before what waits already, and STOP_SENDING must come first: an ngtcp2 that has not seen
    // the stream yet forgets it at once on RESET_STREAM, and our half would stay open for ever.
    for (const auto shutdown : {ngtcp2_conn_shutdown_stream_write, ngtcp2_conn_shutdown_stream_read}) {
      if (!pending.both && shutdown == ngtcp2_conn_shutdown_stream_write) continue;
      const int rv = shutdown(connection_.get(), pending.id, pending.code);
      if (rv != 0) return rv;
    }
  }
  return 0;
}

// One packet: each stream with data has its turn until the packet is full, so that a bulk stream and the
// control stream share it; a stream that had its turn goes to the end of the line.
ngtcp2_ssize Ngtcp2Connection::fill_packet(std::span<std::uint8_t> out, QuicClock::Stamp stamp) {
  ngtcp2_pkt_info info{};
  const std::uint64_t credit = ngtcp2_conn_get_max_data_left(connection_.get());
  std::size_t fresh = 0;
  ngtcp2_ssize size = NGTCP2_ERR_WRITE_MORE;
  const bool full = !turns_.empty() && window_full(out.size());
  for (std::size_t left = full ? 0 : turns_.size(); left > 0 && size == NGTCP2_ERR_WRITE_MORE; --left) {
    const std::int64_t id = turns_.front();
    turns_.pop_front();
    Stream* stream = find(StreamId{id});
    if (stream == nullptr) continue;
    if (stream->queue.unsent() > 0 && fresh >= credit) {
      turns_.push_back(id);
      continue;
    }
    size = write_stream(id, *stream, out, info, fresh, stamp);
  }
  if (size == NGTCP2_ERR_WRITE_MORE) size = finish_packet(out, info, full, stamp);
  if (phase_ == Phase::confirmed && size > 0 && static_cast<std::size_t>(size) > fresh + kPacketOverhead) {
    pacer_.repeated(stamp);
  }
  return size;
}

// No stream has more to say. Put so, ngtcp2 takes the rate it measures next for the application's, not the
// path's, and BBR does not leave its start-up on such rates. But when much is lost, streams stand still
// because of the gaps, and start-up, at 2.9 times the path's rate, is why: it would last for ever (measured:
// three times the data sent over a 10 Mbit/s line). So then it is told of something that will not fit, which
// counts as more to send and changes nothing else; not while a probe is due, which would go out without data.
ngtcp2_ssize Ngtcp2Connection::finish_packet(std::span<std::uint8_t> out, ngtcp2_pkt_info& info, bool full,
                                             QuicClock::Stamp stamp) {
  const ngtcp2_conn_stat stat = statistics();
  if (phase_ == Phase::confirmed && stat.pto_count == 0 &&
      (full || pacer_.heavy_loss(stamp, stat.smoothed_rtt))) {
    const ngtcp2_vec data{const_cast<std::uint8_t*>(kTooBig.data()), kTooBig.size()};
    const ngtcp2_ssize size =
        ngtcp2_conn_writev_datagram(connection_.get(), nullptr, &info, out.data(), out.size(), nullptr,
                                    NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0, &data, 1, stamp);
    if (size != NGTCP2_ERR_INVALID_STATE && size != NGTCP2_ERR_INVALID_ARGUMENT) return size;
  }
  return ngtcp2_conn_writev_stream(connection_.get(), nullptr, &info, out.data(), out.size(), nullptr,
                                   NGTCP2_WRITE_STREAM_FLAG_NONE, -1, nullptr, 0, stamp);
}

// NGTCP2_ERR_WRITE_MORE: go on with the next stream. Otherwise the packet's size, 0 when none can be sent
// now, or a fatal error.
ngtcp2_ssize Ngtcp2Connection::write_stream(std::int64_t id, Stream& stream, std::span<std::uint8_t> out,
                                            ngtcp2_pkt_info& info, std::size_t& fresh,
                                            QuicClock::Stamp stamp) {
  stream.turn = Stream::Turn::idle;
  ngtcp2_ssize size = NGTCP2_ERR_WRITE_MORE;
  std::size_t taken = 0;
  for (bool more = true; more && size == NGTCP2_ERR_WRITE_MORE;) {
    if (stream.sending == Stream::Sending::ended) return size;
    if (stream.queue.unsent() == 0 && stream.sending != Stream::Sending::finishing) return size;
    const std::size_t before = taken;
    size = offer_pieces(id, stream, out, info, taken, stamp);
    more = taken > before;
  }
  fresh += taken;
  switch (size) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      stream.turn = Stream::Turn::blocked;
      blocked_.push_back(id);
      return NGTCP2_ERR_WRITE_MORE;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      // Told after the packet: a handler may use ngtcp2, which a half-written packet forbids.
      stopped_.push_back(id);
      return NGTCP2_ERR_WRITE_MORE;
    default:
      break;
  }
  if (stream.queue.unsent() > 0 || stream.sending == Stream::Sending::finishing) {
    stream.turn = Stream::Turn::queued;
    // No room for it this time: it is the first in the next packet.
    if (taken == 0) {
      turns_.push_front(id);
    } else {
      turns_.push_back(id);
    }
  }
  return size;
}

// As much as makes one STREAM frame.
ngtcp2_ssize Ngtcp2Connection::offer_pieces(std::int64_t id, Stream& stream, std::span<std::uint8_t> out,
                                            ngtcp2_pkt_info& info, std::size_t& taken,
                                            QuicClock::Stamp stamp) {
  std::array<base::ByteView, kMaxPieces> pieces;
  bool all = false;
  const std::size_t count = stream.queue.peek_unsent(pieces, all);
  const bool fin = all && stream.sending == Stream::Sending::finishing;
  std::array<ngtcp2_vec, kMaxPieces> vectors;
  std::size_t offered = 0;
  for (std::size_t i = 0; i < count; ++i) {
    vectors[i] = {const_cast<std::uint8_t*>(pieces[i].data()), pieces[i].size()};
    offered += pieces[i].size();
  }
  ngtcp2_ssize accepted = -1;
  const ngtcp2_ssize size =
      ngtcp2_conn_writev_stream(connection_.get(), nullptr, &info, out.data(), out.size(), &accepted,
                                NGTCP2_WRITE_STREAM_FLAG_MORE | (fin ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0u), id,
                                vectors.data(), count, stamp);
  if (accepted < 0) return size;
  stream.queue.mark_sent(static_cast<std::size_t>(accepted));
  taken += static_cast<std::size_t>(accepted);
  if (fin && static_cast<std::size_t>(accepted) == offered) stream.sending = Stream::Sending::finished;
  return size;
}

bool Ngtcp2Connection::window_full(std::size_t packet_size) const {
  if (phase_ != Phase::confirmed) return false;
  const ngtcp2_conn_stat stat = statistics();
  return stat.pto_count == 0 && pacer_.window_full(stat.bytes_in_flight, packet_size, rate(stat));
}

QuicPacer::Rate Ngtcp2Connection::rate(const ngtcp2_conn_stat& stat) {
  // Without BBR's word: RFC 9002 7.7, as ngtcp2 has it.
  const double fallback = 1.25 * static_cast<double>(stat.cwnd) / static_cast<double>(stat.smoothed_rtt);
  return {stat.pacing_rate > 0 ? stat.pacing_rate : fallback,
          stat.min_rtt == QuicClock::kNoStamp ? NGTCP2_MILLISECONDS : stat.min_rtt, stat.delivery_rate_sec};
}

void Ngtcp2Connection::end_burst(QuicClock::Stamp stamp) {
  if (!pacer_.in_burst()) return;
  ngtcp2_conn_update_pkt_tx_time(connection_.get(), pacer_.end_burst(stamp, rate(statistics())));
}

}  // namespace p2pd::net
