#include <algorithm>
#include <utility>

#include "peer/service_channel.hpp"

namespace p2pd::peer {

// Keeps no hold of the stream: leaving may destroy it.
class ServiceStream::Turn {
 public:
  explicit Turn(ServiceSink& sink) : sink_(sink) { sink_.enter_service(); }
  ~Turn() { sink_.leave_service(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  ServiceSink& sink_;
};

ServiceStream::ServiceStream(ServiceChannel& channel, net::StreamId id, std::shared_ptr<StreamEnd> end,
                             std::string service)
    : channel_(channel),
      id_(id),
      incoming_(end == nullptr),
      end_(std::move(end)),
      service_(std::move(service)),
      phase_(incoming_ ? Phase::naming : Phase::waiting) {
  channel_.count(incoming_, 1);
  channel_.streams_.emplace(id_, this);
}

// With the connection, where it was not over before. One that has no answer yet has carried nothing: it may
// begin once more, which costs the service there one useless connection at most.
ServiceStream::~ServiceStream() {
  if (phase_ == Phase::waiting && channel_.ending_ == StreamEnding::peer_restarted) {
    phase_ = Phase::over;
    end_->on_again();
    channel_.sink_.open_again(service_, end_);
  }
  end(channel_.ending_);
  channel_.count(incoming_, -1);
  channel_.streams_.erase(id_);
}

// --- from the other end ---

bool ServiceStream::on_data(base::ByteView data, bool fin) {
  fin_ = fin_ || fin;
  if (phase_ == Phase::naming && !read_name(data)) return false;
  if (phase_ == Phase::waiting && !read_answer(data)) return false;
  switch (phase_) {
    case Phase::asking:
      held_.insert(held_.end(), data.begin(), data.end());
      unread_ += data.size();
      channel_.unread_ += data.size();
      if (channel_.unread_ > ServiceChannel::kMaxUnread) refuse(proto::ServiceRefusal::busy);
      break;
    case Phase::open:
      pass(data, fin_);
      break;
    default:
      channel_.quic_.consume(id_, data.size());
      break;
  }
  return true;
}

bool ServiceStream::read_name(base::ByteView& data) {
  const std::size_t before = data.size();
  const base::Result<std::optional<std::string>> name = name_.read(data);
  channel_.quic_.consume(id_, before - data.size());
  if (!name) return false;
  if (!*name) {
    if (fin_) refuse(proto::ServiceRefusal::refused);  // never named one
    return true;
  }
  if (channel_.incoming_ > static_cast<int>(ServiceChannel::kMaxStreams) ||
      channel_.unread_ > ServiceChannel::kMaxUnread) {
    refuse(proto::ServiceRefusal::busy);
    return true;
  }
  phase_ = Phase::asking;
  channel_.host_.opened(
      channel_.peer_, **name,
      [this, alive = std::weak_ptr(alive_)](std::variant<ServiceHost::Accepted, proto::ServiceRefusal> answer)
          -> ByteStream* { return alive.expired() ? nullptr : answered(std::move(answer)); });
  return true;
}

ByteStream* ServiceStream::answered(std::variant<ServiceHost::Accepted, proto::ServiceRefusal> answer) {
  if (phase_ != Phase::asking) return nullptr;
  const auto alive = std::weak_ptr(alive_);
  const Turn turn(channel_.sink_);
  if (const auto* refusal = std::get_if<proto::ServiceRefusal>(&answer)) {
    refuse(*refusal);
    return nullptr;
  }
  end_ = std::move(std::get<ServiceHost::Accepted>(answer));
  phase_ = Phase::open;
  const std::uint8_t accepted = proto::encode_service_answer({});
  channel_.quic_.write(id_, {&accepted, 1});
  const base::Bytes held = std::exchange(held_, {});
  channel_.unread_ -= std::exchange(unread_, 0);  // passing it on counts it again
  if (!held.empty() || fin_) pass(held, fin_);
  return alive.expired() || phase_ != Phase::open ? nullptr : this;
}

bool ServiceStream::read_answer(base::ByteView& data) {
  if (data.empty()) {
    // Finished without an answer.
    if (fin_) on_refused(0);
    return true;
  }
  const base::Result<std::optional<proto::ServiceRefusal>> answer = proto::parse_service_answer(data.front());
  if (!answer) return false;
  channel_.quic_.consume(id_, 1);
  data = data.subspan(1);
  if (*answer) {
    channel_.quic_.finish(id_);
    end(to_ending(**answer));
  } else {
    phase_ = Phase::open;
    const std::shared_ptr<StreamEnd> local = end_;
    local->on_open();
  }
  return true;
}

void ServiceStream::pass(base::ByteView data, bool fin) {
  if (stopped_) return channel_.quic_.consume(id_, data.size());
  unread_ += data.size();
  channel_.unread_ += data.size();
  const std::shared_ptr<StreamEnd> local = end_;
  if (!data.empty() || fin) local->on_data(data, fin);
}

void ServiceStream::on_refused(std::uint64_t code) {
  if (phase_ == Phase::over) return;
  // What is not wanted does not come; what was said here still goes.
  if (stopped_) {
    fin_ = true;
    return;
  }
  channel_.quic_.reset(id_, net::CloseCode::cancelled);
  const bool forbidden = code == static_cast<std::uint64_t>(net::CloseCode::refused);
  if (forbidden) return end(StreamEnding::not_permitted);
  // A reset overtakes the answer, where there was one.
  end(phase_ == Phase::waiting ? StreamEnding::refused : StreamEnding::reset);
}

void ServiceStream::on_stopped(std::uint64_t code) {
  if (phase_ != Phase::open || (code != 0 && !stopped_)) return on_refused(code);
  finished_ = true;
  cut_ = true;
  const std::shared_ptr<StreamEnd> local = end_;
  local->on_stopped();
}

void ServiceStream::on_ended() {
  // What is not wanted here may have ended either way.
  const bool whole = phase_ == Phase::open && finished_ && (fin_ || stopped_) && !cut_;
  end(whole ? StreamEnding::finished : StreamEnding::reset);
}

bool ServiceStream::tell_room() {
  if (phase_ != Phase::open || finished_) {
    waiting_ = false;
    return true;
  }
  if (channel_.quic_.unsent(id_) > channel_.enough() / 2) return false;
  waiting_ = false;
  const std::shared_ptr<StreamEnd> local = end_;
  local->on_room();
  return true;
}

// --- from the local end ---

std::size_t ServiceStream::room() {
  if (phase_ != Phase::open || finished_) return 0;
  const std::size_t enough = channel_.enough();
  const std::size_t unsent = channel_.quic_.unsent(id_);
  if (unsent < enough) return enough - unsent;
  if (!std::exchange(waiting_, true)) channel_.waiting_.push_back(id_);
  return 0;
}

void ServiceStream::write(base::ByteView data) {
  if (phase_ != Phase::open || finished_) return;
  const Turn turn(channel_.sink_);
  channel_.quic_.write(id_, data);
}

void ServiceStream::finish() {
  if (phase_ != Phase::open || std::exchange(finished_, true)) return;
  const Turn turn(channel_.sink_);
  channel_.quic_.finish(id_);
}

void ServiceStream::stop() {
  if (phase_ != Phase::open || std::exchange(stopped_, true)) return;
  const Turn turn(channel_.sink_);
  channel_.unread_ -= unread_;
  channel_.quic_.consume(id_, std::exchange(unread_, 0));
  if (!fin_) channel_.quic_.stop_reading(id_, net::CloseCode::cancelled);
}

void ServiceStream::reset(net::CloseCode code) {
  if (phase_ == Phase::over) return;
  const Turn turn(channel_.sink_);
  phase_ = Phase::over;
  channel_.quic_.reset(id_, code);
  channel_.unread_ -= std::exchange(unread_, 0);
  end_.reset();
}

void ServiceStream::consume(std::size_t count) {
  if (phase_ != Phase::open || stopped_) return;
  const Turn turn(channel_.sink_);
  const std::size_t credit = std::min(count, unread_);
  unread_ -= credit;
  channel_.unread_ -= credit;
  channel_.quic_.consume(id_, credit);
}

// --- the end ---

void ServiceStream::refuse(proto::ServiceRefusal refusal) {
  const std::uint8_t answer = proto::encode_service_answer(refusal);
  channel_.quic_.write(id_, {&answer, 1});
  channel_.quic_.finish(id_);
  channel_.quic_.consume(id_, std::exchange(held_, {}).size());
  channel_.unread_ -= std::exchange(unread_, 0);
  phase_ = Phase::over;
}

void ServiceStream::end(StreamEnding ending) {
  if (std::exchange(phase_, Phase::over) == Phase::over) return;
  channel_.unread_ -= std::exchange(unread_, 0);
  if (const auto local = std::exchange(end_, nullptr)) local->on_over(ending);
}

}  // namespace p2pd::peer
