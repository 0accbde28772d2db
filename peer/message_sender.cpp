#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "peer/message_channel.hpp"
#include "peer/message_id.hpp"
#include "proto/stream_kind.hpp"

namespace p2pd::peer {

using namespace std::chrono_literals;
namespace log = base::log;

namespace {

// A page costs a round to the store's thread, which may have a commit under way.
constexpr std::size_t kPage = 512;
// Frames of this many bytes go to the stream together.
constexpr std::size_t kWrittenAtOnce = 64 * 1024;
constexpr base::Duration kFirstPause = 1s;
constexpr base::Duration kLongestPause = 60s;

}  // namespace

MessageSender::MessageSender(net::QuicConnection& quic, MessageStore& store, const base::PeerId& peer,
                             MessageSink& sink)
    : quic_(quic), store_(store), peer_(peer), sink_(sink) {}

void MessageSender::start() {
  const base::Result<net::StreamId> opened = quic_.open_stream();
  if (!opened) {
    log::debug("messages", "no stream", {{"peer", peer_}, {"error", opened.error().message()}});
    pause();
    return;
  }
  stream_ = *opened;
  alive_ = std::make_shared<char>();
  deframer_ = {};
  in_flight_.clear();
  in_flight_bytes_ = 0;
  sent_ = 0;
  exhausted_ = false;
  loading_ = false;
  resume_at_ = base::kNever;
  phase_ = Phase::waiting_for_mark;
  const std::array kind{static_cast<std::uint8_t>(proto::StreamKind::messages)};
  quic_.write(*stream_, kind);
  sink_.adopt_stream(*stream_, *this);
}

void MessageSender::on_outbox_changed() {
  exhausted_ = false;
  pump();
}

void MessageSender::on_time(base::TimePoint now) {
  if (now < resume_at_) return;
  resume_at_ = base::kNever;
  start();
}

void MessageSender::pause() {
  alive_.reset();
  if (stream_) sink_.drop_stream(*stream_);
  stream_.reset();
  phase_ = Phase::paused;
  pause_ = pause_ == base::Duration::zero() ? kFirstPause : std::min(kLongestPause, 2 * pause_);
  resume_at_ = sink_.now() + pause_;
}

bool MessageSender::on_data(base::ByteView data, bool fin) {
  if (!stream_) return true;
  quic_.consume(*stream_, data.size());
  deframer_.feed(data);
  while (stream_) {
    const base::Result<std::optional<proto::MessageFrame>> next = deframer_.next();
    if (!next) return false;
    if (!*next) break;
    if (!handle(**next)) return false;
  }
  if (fin && stream_) {
    quic_.reset(*stream_, net::CloseCode::cancelled);
    pause();
  }
  return true;
}

bool MessageSender::handle(const proto::MessageFrame& frame) {
  if (const auto* acknowledgement = std::get_if<proto::MessageAcknowledged>(&frame)) {
    if (phase_ == Phase::waiting_for_mark) {
      phase_ = Phase::sending;
      sent_ = std::max(sent_, acknowledgement->sequence);
    }
    if (!acknowledged(acknowledgement->sequence)) return false;
    pump();
    return true;
  }
  if (const auto* full = std::get_if<proto::MessageFull>(&frame)) {
    if (phase_ == Phase::waiting_for_mark) sent_ = std::max(sent_, full->sequence);
    if (!acknowledged(full->sequence)) return false;
    log::info("messages", "the peer's inbox takes no more for now", {{"peer", peer_}});
    quic_.reset(*stream_, net::CloseCode::limit);
    pause();
    return true;
  }
  return false;
}

bool MessageSender::acknowledged(std::uint64_t sequence) {
  if (sequence > sent_ || sequence < acknowledged_) return false;
  while (!in_flight_.empty() && in_flight_.front().sequence <= sequence) {
    in_flight_bytes_ -= in_flight_.front().size;
    in_flight_.pop_front();
  }
  if (sequence == acknowledged_) return true;
  acknowledged_ = sequence;
  pause_ = base::Duration::zero();
  store_.outbox_delivered(peer_, sequence);
  sink_.on_messages_delivered(sequence);
  return true;
}

void MessageSender::pump() {
  if (phase_ != Phase::sending || loading_) return;
  if (exhausted_) {
    if (in_flight_.empty()) sink_.on_outbox_empty();
    return;
  }
  if (in_flight_bytes_ > kWindow / 2) return;
  loading_ = true;
  exhausted_ = true;  // until on_outbox_changed() or a row in the page says otherwise
  store_.load_outbox(peer_, sent_, kPage, kWindow - in_flight_bytes_,
                     [this, alive = std::weak_ptr(alive_)](base::Result<std::vector<OutboxMessage>> page) {
                       if (alive.expired()) return;
                       loaded(std::move(page));
                       sink_.on_store_answered();
                     });
}

void MessageSender::loaded(base::Result<std::vector<OutboxMessage>> page) {
  loading_ = false;
  if (!page) {
    log::error("messages", "cannot read the outbox", {{"peer", peer_}, {"error", page.error().message()}});
    quic_.reset(*stream_, net::CloseCode::cancelled);
    pause();
    return;
  }
  base::Bytes frames;
  for (OutboxMessage& message : *page) {
    append(std::move(message), frames);
    if (frames.size() < kWrittenAtOnce) continue;
    quic_.write(*stream_, frames);
    frames.clear();
  }
  if (!frames.empty()) quic_.write(*stream_, frames);
  if (!page->empty()) exhausted_ = false;
  pump();
}

void MessageSender::append(OutboxMessage message, base::Bytes& frames) {
  proto::MessageData frame;
  frame.sequence = message.sequence;
  frame.created_ms = message.created.time_since_epoch().count();
  frame.content_type = std::move(message.content_type);
  frame.data = std::move(message.data);
  const auto id = message_id(message.id);
  P2PD_ASSERT(id);
  frame.id = *id;
  if (!message.reply_to.empty()) {
    frame.reply_to = message_id(message.reply_to);
    P2PD_ASSERT(frame.reply_to);
  }
  const base::Bytes bytes = proto::encode(proto::MessageFrame(std::move(frame)));
  frames.insert(frames.end(), bytes.begin(), bytes.end());
  in_flight_.push_back({message.sequence, bytes.size()});
  in_flight_bytes_ += bytes.size();
  sent_ = message.sequence;
}

void MessageSender::on_refused(std::uint64_t code) {
  if (!stream_) return;
  quic_.reset(*stream_, net::CloseCode::cancelled);
  const bool unknown_kind = code == static_cast<std::uint64_t>(net::CloseCode::refused);
  pause();
  if (!unknown_kind) return;
  log::warn("messages", "the peer does not take messages", {{"peer", peer_}});
  phase_ = Phase::refused;
  resume_at_ = base::kNever;
}

void MessageSender::on_ended() {
  if (stream_) pause();
}

}  // namespace p2pd::peer
