#include <algorithm>
#include <array>
#include <utility>

#include "base/log.hpp"
#include "peer/file_channel.hpp"
#include "proto/stream_kind.hpp"

namespace p2pd::peer {

namespace log = base::log;

FileSender::FileSender(net::QuicConnection& quic, FileSink& sink, OutgoingFile file, Over over)
    : quic_(quic), sink_(sink), file_(std::move(file)), over_(std::move(over)) {}

FileSender::~FileSender() {
  if (file_.source && phase_ != Phase::over) file_.source->rest();
}

void FileSender::start() {
  const base::Result<net::StreamId> opened = quic_.open_stream();
  if (!opened) {
    log::debug("files", "no stream", {{"error", opened.error().message()}});
    return end(Again{});
  }
  stream_ = *opened;
  phase_ = Phase::offered;
  sink_.adopt_stream(*stream_, *this);
  const std::array kind{static_cast<std::uint8_t>(proto::StreamKind::files)};
  quic_.write(*stream_, kind);
  if (file_.source) {
    say(file_.offer);
  } else {
    say(proto::FileWithdraw{file_.offer.id, file_.withdrawal});
  }
}

void FileSender::abandon() {
  if (!stream_) return;
  quic_.reset(*stream_, net::CloseCode::cancelled);
  sink_.drop_stream(*stream_);
  stream_.reset();
}

void FileSender::say(const proto::FileFrame& frame) { quic_.write(*stream_, proto::encode(frame)); }

bool FileSender::on_data(base::ByteView data, bool fin) {
  if (!stream_) return true;
  quic_.consume(*stream_, data.size());
  deframer_.feed(data);
  while (stream_) {
    const base::Result<std::optional<proto::FileInput>> next = deframer_.next();
    if (!next) return false;
    if (!*next) break;
    const auto* frame = std::get_if<proto::FileFrame>(&**next);
    if (frame == nullptr || !handle(*frame)) return false;
  }
  if (fin && stream_) end(Again{});
  return true;
}

bool FileSender::handle(const proto::FileFrame& frame) {
  if (const auto* accept = std::get_if<proto::FileAccept>(&frame)) return accepted(*accept);
  if (const auto* refuse = std::get_if<proto::FileRefuse>(&frame)) {
    if (refuse->reason == proto::FileRefusal::busy) {
      end(Again{});
    } else {
      end(refuse->reason);
    }
    return true;
  }
  if (const auto* done = std::get_if<proto::FileDone>(&frame)) {
    if (!file_.source || (phase_ != Phase::offered && phase_ != Phase::ended)) return false;
    end(Delivered{done->name});
    return true;
  }
  return false;
}

bool FileSender::accepted(const proto::FileAccept& accept) {
  if (!file_.source || phase_ != Phase::offered || accept.offset > file_.offer.size) return false;
  phase_ = Phase::beginning;
  file_.source->begin(accept.offset, accept.digest,
                      [this, &sink = sink_, alive = std::weak_ptr(alive_)](const auto& where) {
                        if (alive.expired()) return;
                        began(where);
                        sink.on_store_answered();
                      });
  return true;
}

void FileSender::began(const std::variant<std::uint64_t, proto::FileWithdrawal>& where) {
  if (phase_ != Phase::beginning) return;
  if (const auto* fault = std::get_if<proto::FileWithdrawal>(&where)) return end(*fault);
  position_ = std::get<std::uint64_t>(where);
  phase_ = Phase::sending;
  say(proto::FileBegin{position_});
  pump();
}

void FileSender::pump() {
  while (phase_ == Phase::sending && reading_ < kReads && quic_.unacknowledged(*stream_) < kWindow) {
    ++reading_;
    file_.source->read([this, &sink = sink_, alive = std::weak_ptr(alive_)](const FilePiece& piece) {
      if (alive.expired()) return;
      --reading_;
      if (phase_ == Phase::sending) send(piece);
      sink.on_store_answered();
    });
  }
}

void FileSender::send(const FilePiece& piece) {
  if (const auto* data = std::get_if<base::Bytes>(&piece)) {
    quic_.write(*stream_, proto::encode_file_data_header(data->size()));
    quic_.write(*stream_, *data);
    position_ += data->size();
  } else if (const auto* hole = std::get_if<proto::FileHole>(&piece)) {
    say(*hole);
    position_ += hole->length;
  } else if (const auto* last = std::get_if<proto::FileEnd>(&piece)) {
    say(*last);
    quic_.finish(*stream_);
    phase_ = Phase::ended;
  } else {
    return end(std::get<proto::FileWithdrawal>(piece));
  }
  pump();
}

void FileSender::on_acknowledged() {
  if (!stream_ || (phase_ != Phase::sending && phase_ != Phase::ended)) return;
  const std::uint64_t waiting = quic_.unacknowledged(*stream_);
  file_.source->reached(position_ - std::min(position_, waiting));
  pump();
}

void FileSender::on_refused(std::uint64_t code) {
  if (!stream_) return;
  const bool unknown_kind = code == static_cast<std::uint64_t>(net::CloseCode::refused);
  if (unknown_kind) {
    end(proto::FileRefusal::policy);
  } else {
    end(Again{});
  }
}

void FileSender::on_ended() {
  if (!stream_) return;
  stream_.reset();
  end(Again{});
}

void FileSender::end(const Outcome& outcome) {
  // A receiver that said its last word has finished its side; ours is cut short unless it is finished too.
  if (stream_) {
    if (std::holds_alternative<Delivered>(outcome) && phase_ == Phase::ended) {
      sink_.drop_stream(*stream_);
      stream_.reset();
    } else {
      abandon();
    }
  }
  phase_ = Phase::over;
  if (file_.source) file_.source->rest();
  over_(file_.offer.id, outcome);
}

}  // namespace p2pd::peer
