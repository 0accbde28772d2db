#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "peer/file_channel.hpp"

namespace p2pd::peer {

FileReceiver::FileReceiver(net::QuicConnection& quic, FileStore& store, const base::PeerId& peer,
                           net::StreamId stream, FileSink& sink, std::set<FileReceiver*>& all)
    : quic_(quic), store_(store), peer_(peer), stream_(stream), sink_(sink), all_(all) {
  all_.insert(this);
}

FileReceiver::~FileReceiver() {
  all_.erase(this);
  // What came is worth keeping: another stream goes on behind it.
  hand_over();
}

bool FileReceiver::on_data(base::ByteView data, bool fin) {
  std::size_t credit = data.size();
  deframer_.feed(data);
  while (phase_ != Phase::over) {
    const base::Result<std::optional<proto::FileInput>> next = deframer_.next();
    if (!next) return false;
    if (!*next) break;
    if (const auto* piece = std::get_if<proto::FileDataPiece>(&**next)) {
      if (!take(*piece)) return false;
      credit -= piece->bytes.size();
    } else if (!handle(std::get<proto::FileFrame>(**next))) {
      return false;
    }
  }
  quic_.consume(stream_, credit);
  if (fin && phase_ != Phase::over && phase_ != Phase::finishing) {
    // The sender gave up; it may come back.
    hand_over();
    target_.reset();
    phase_ = Phase::over;
    quic_.finish(stream_);
  }
  return true;
}

bool FileReceiver::handle(const proto::FileFrame& frame) {
  if (const auto* offer = std::get_if<proto::FileOffer>(&frame)) return offered(*offer);
  if (const auto* withdraw = std::get_if<proto::FileWithdraw>(&frame)) return withdrawn(*withdraw);
  if (const auto* begin = std::get_if<proto::FileBegin>(&frame)) {
    if (phase_ != Phase::accepted || (begin->offset != accepted_ && begin->offset != 0)) return false;
    phase_ = Phase::receiving;
    position_ = begin->offset;
    target_->begin(begin->offset);
    return true;
  }
  if (phase_ != Phase::receiving) return false;
  if (const auto* hole = std::get_if<proto::FileHole>(&frame)) {
    if (hole->length > size_ - position_) return false;
    position_ += hole->length;
    batch_.holes.push_back({batch_.data.size(), hole->length});
    hand_over_if_due();
    return true;
  }
  const auto* end = std::get_if<proto::FileEnd>(&frame);
  if (end == nullptr || position_ != size_) return false;
  finish(end->digest);
  return true;
}

bool FileReceiver::offered(const proto::FileOffer& offer) {
  if (phase_ != Phase::waiting) return false;
  phase_ = Phase::asking;
  transfer_ = offer.id;
  size_ = offer.size;
  store_.offered(peer_, offer, [this, &sink = sink_, alive = std::weak_ptr(alive_)](FileAnswer answer) {
    if (alive.expired()) return;
    answered(std::move(answer));
    sink.on_store_answered();
  });
  return true;
}

void FileReceiver::answered(FileAnswer answer) {
  if (phase_ != Phase::asking) return;
  if (auto* name = std::get_if<std::string>(&answer)) return conclude(proto::FileDone{std::move(*name)});
  if (const auto* refusal = std::get_if<proto::FileRefusal>(&answer)) return refuse(*refusal);
  auto& admission = std::get<FileAdmission>(answer);
  phase_ = Phase::accepted;
  target_ = std::move(admission.target);
  accepted_ = admission.offset;
  quic_.write(stream_, proto::encode(proto::FileAccept{admission.offset, admission.digest}));
}

bool FileReceiver::withdrawn(const proto::FileWithdraw& withdraw) {
  if (phase_ != Phase::waiting) return false;
  phase_ = Phase::asking;
  store_.withdrawn(peer_, withdraw, [this, &sink = sink_, alive = std::weak_ptr(alive_)](bool gone) {
    if (alive.expired()) return;
    if (phase_ == Phase::asking) refuse(gone ? proto::FileRefusal::cancelled : proto::FileRefusal::busy);
    sink.on_store_answered();
  });
  return true;
}

bool FileReceiver::take(const proto::FileDataPiece& piece) {
  if (phase_ != Phase::receiving || piece.bytes.size() > size_ - position_) return false;
  if (batch_.data.empty()) {
    batch_.data.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(kMost + kLeast, size_ - position_)));
  }
  position_ += piece.bytes.size();
  batch_credit_ += piece.bytes.size();
  batch_.data.insert(batch_.data.end(), piece.bytes.begin(), piece.bytes.end());
  hand_over_if_due();
  return true;
}

void FileReceiver::hand_over_if_due() {
  // Holes are of no bytes: they are counted lest they gather for ever.
  const std::size_t weight = batch_credit_ + batch_.holes.size() * 1024;
  if (weight >= (writing_ > 0 ? kMost : kLeast)) hand_over();
}

void FileReceiver::hand_over() {
  if (batch_.empty() || !target_) return;
  ++writing_;
  target_->write(std::exchange(batch_, {}),
                 [this, &sink = sink_, credit = std::exchange(batch_credit_, 0),
                  alive = std::weak_ptr(alive_)](const std::optional<proto::FileRefusal>& refusal) {
                   if (alive.expired()) return;
                   written(credit, refusal);
                   sink.on_store_answered();
                 });
}

void FileReceiver::written(std::size_t credit, const std::optional<proto::FileRefusal>& refusal) {
  --writing_;
  if (refusal && (phase_ == Phase::receiving || phase_ == Phase::finishing)) refuse(*refusal);
  quic_.consume(stream_, credit);
  if (writing_ == 0) hand_over();
}

void FileReceiver::finish(const proto::FileDigest& digest) {
  hand_over();
  phase_ = Phase::finishing;
  target_->finish(digest, [this, &sink = sink_, alive = std::weak_ptr(alive_)](
                              const std::variant<std::string, proto::FileRefusal>& outcome) {
    if (alive.expired()) return;
    if (phase_ == Phase::finishing) {
      if (const auto* name = std::get_if<std::string>(&outcome)) {
        conclude(proto::FileDone{*name});
      } else {
        refuse(std::get<proto::FileRefusal>(outcome));
      }
    }
    sink.on_store_answered();
  });
}

void FileReceiver::refuse(proto::FileRefusal reason) {
  if (phase_ != Phase::over) conclude(proto::FileRefuse{reason});
}

// The last word. What the sender still sends is dropped until it resets the stream.
void FileReceiver::conclude(const proto::FileFrame& last) {
  phase_ = Phase::over;
  quic_.consume(stream_, std::exchange(batch_credit_, 0));
  batch_ = {};
  target_.reset();
  quic_.write(stream_, proto::encode(last));
  quic_.finish(stream_);
}

void FileReceiver::on_refused(std::uint64_t) {
  if (phase_ != Phase::over) {
    hand_over();
    target_.reset();
    phase_ = Phase::over;
  }
  quic_.reset(stream_, net::CloseCode::cancelled);
}

void FileReceiver::on_ended() {
  hand_over();
  target_.reset();
  phase_ = Phase::over;
}

}  // namespace p2pd::peer
