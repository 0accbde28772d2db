#include <utility>

#include "base/log.hpp"
#include "peer/message_channel.hpp"
#include "peer/message_id.hpp"

namespace p2pd::peer {

namespace log = base::log;

MessageReceiver::MessageReceiver(net::QuicConnection& quic, MessageStore& store, const base::PeerId& peer,
                                 std::uint64_t epoch, net::StreamId stream, MessageSink& sink,
                                 std::weak_ptr<const ReceivedTeller> received)
    : quic_(quic),
      store_(store),
      peer_(peer),
      epoch_(epoch),
      stream_(stream),
      sink_(sink),
      received_(std::move(received)) {
  store_.inbox_high_water(peer_, epoch_,
                          [this, alive = std::weak_ptr(alive_)](const base::Result<std::uint64_t>& mark) {
                            if (alive.expired()) return;
                            started(mark);
                            sink_.on_store_answered();
                          });
}

void MessageReceiver::started(const base::Result<std::uint64_t>& mark) {
  if (closed_) return;
  if (!mark) {
    log::error("messages", "cannot read the inbox", {{"peer", peer_}, {"error", mark.error().message()}});
    close();
    quic_.reset(stream_, net::CloseCode::internal_error);
    return;
  }
  ready_ = true;
  high_water_ = *mark;
  quic_.write(stream_, proto::encode(proto::MessageFrame(proto::MessageAcknowledged{high_water_})));
  commit();
  finish_if_done();
}

bool MessageReceiver::on_data(base::ByteView data, bool fin) {
  credit_owed_ += data.size();
  if (!closed_) {
    deframer_.feed(data);
    while (true) {
      const base::Result<std::optional<proto::MessageFrame>> next = deframer_.next();
      if (!next) return false;
      if (!*next) break;
      const auto* message = std::get_if<proto::MessageData>(&**next);
      if (message == nullptr || !take(*message)) return false;
    }
    commit();
  }
  return_credit();
  finished_ = finished_ || fin;
  finish_if_done();
  return true;
}

bool MessageReceiver::take(const proto::MessageData& message) {
  // The order is what makes one number, the mark, enough.
  if (message.sequence <= last_) return false;
  last_ = message.sequence;
  InboxMessage row;
  row.sequence = message.sequence;
  row.id = message_id_text(message.id);
  row.sent = base::WallTime(std::chrono::milliseconds(message.created_ms));
  row.content_type = message.content_type;
  if (message.reply_to) row.reply_to = message_id_text(*message.reply_to);
  row.data = message.data;
  batch_size_ += kRowOverhead + row.data.size();
  batch_.push_back(std::move(row));
  return true;
}

void MessageReceiver::commit() {
  if (!ready_ || committing_ || closed_ || batch_.empty()) return;
  committing_ = true;
  committing_size_ = std::exchange(batch_size_, 0);
  store_.commit_inbox(peer_, epoch_, std::exchange(batch_, {}),
                      [this, before = high_water_, received = received_,
                       alive = std::weak_ptr(alive_)](const base::Result<InboundCommit>& result) {
                        const auto tell = received.lock();
                        if (result && tell && result->high_water > before) (*tell)(result->high_water);
                        if (alive.expired()) return;
                        committed(result);
                        sink_.on_store_answered();
                      });
}

void MessageReceiver::committed(const base::Result<InboundCommit>& result) {
  committing_ = false;
  committing_size_ = 0;
  if (result) high_water_ = result->high_water;
  if (closed_) return;
  if (!result) {
    log::error("messages", "cannot store messages", {{"peer", peer_}, {"error", result.error().message()}});
  }
  if (!result || result->full) {
    close();
    quic_.write(stream_, proto::encode(proto::MessageFrame(proto::MessageFull{high_water_})));
  } else {
    quic_.write(stream_, proto::encode(proto::MessageFrame(proto::MessageAcknowledged{high_water_})));
    commit();
  }
  return_credit();
  finish_if_done();
}

void MessageReceiver::close() {
  closed_ = true;
  batch_.clear();
  batch_size_ = 0;
}

void MessageReceiver::finish_if_done() {
  if (finished_ && ready_ && !committing_ && batch_.empty()) quic_.finish(stream_);
}

void MessageReceiver::return_credit() {
  if (batch_size_ + committing_size_ > kMaxHeld || credit_owed_ == 0) return;
  quic_.consume(stream_, std::exchange(credit_owed_, 0));
}

void MessageReceiver::on_refused(std::uint64_t) {
  if (closed_) return;
  close();
  quic_.reset(stream_, net::CloseCode::cancelled);
}

void MessageReceiver::on_ended() { close(); }

}  // namespace p2pd::peer
