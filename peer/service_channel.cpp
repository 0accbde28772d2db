#include "peer/service_channel.hpp"

#include <algorithm>
#include <utility>

#include "proto/stream_kind.hpp"

namespace p2pd::peer {
namespace {

// Looked at after each flush; with more, they take turns.
constexpr std::size_t kRefilled = 64;

}  // namespace

std::string_view to_string(StreamEnding ending) {
  switch (ending) {
    case StreamEnding::finished:
      return "finished";
    case StreamEnding::reset:
      return "reset";
    case StreamEnding::cancelled:
      return "cancelled";
    case StreamEnding::timed_out:
      return "timed_out";
    case StreamEnding::no_such_service:
      return "no_such_service";
    case StreamEnding::not_permitted:
      return "not_permitted";
    case StreamEnding::refused:
      return "refused";
    case StreamEnding::busy:
      return "busy";
    case StreamEnding::unsupported:
      return "unsupported";
    case StreamEnding::peer_restarted:
      return "peer_restarted";
    case StreamEnding::connection_lost:
      return "connection_lost";
    case StreamEnding::disconnected:
      return "disconnected";
    case StreamEnding::removed:
      return "removed";
    case StreamEnding::stopping:
      return "stopping";
  }
  return "unknown";
}

StreamEnding to_ending(proto::ServiceRefusal refusal) {
  switch (refusal) {
    case proto::ServiceRefusal::no_such_service:
      return StreamEnding::no_such_service;
    case proto::ServiceRefusal::not_permitted:
      return StreamEnding::not_permitted;
    case proto::ServiceRefusal::refused:
      return StreamEnding::refused;
    case proto::ServiceRefusal::busy:
      return StreamEnding::busy;
  }
  return StreamEnding::refused;
}

ServiceChannel::ServiceChannel(net::QuicConnection& quic, ServiceHost& host, const base::PeerId& peer,
                               ServiceSink& sink)
    : quic_(quic), host_(host), peer_(peer), sink_(sink) {}

ServiceChannel::~ServiceChannel() = default;

void ServiceChannel::open(const std::string& service, const std::shared_ptr<StreamEnd>& end) {
  if (outgoing_ >= static_cast<int>(kMaxStreams)) return end->on_over(StreamEnding::busy);
  const base::Result<net::StreamId> id = quic_.open_stream();
  if (!id) {
    const bool full = id.error().code == net::make_error_code(net::QuicError::stream_limit);
    return end->on_over(full ? StreamEnding::busy : ending_);
  }
  auto stream = std::make_unique<ServiceStream>(*this, *id, end, service);
  ByteStream& begun = *stream;
  quic_.write(*id, base::ByteWriter()
                       .u8(static_cast<std::uint8_t>(proto::StreamKind::service))
                       .bytes(proto::encode_service_open(service))
                       .view());
  sink_.own_stream(*id, std::move(stream));
  end->on_begun(begun);
}

std::unique_ptr<StreamHandler> ServiceChannel::receive(net::StreamId stream) {
  return std::make_unique<ServiceStream>(*this, stream, nullptr);
}

// The more streams, the less each may hold back.
std::size_t ServiceChannel::enough() const {
  return std::clamp(kUnsent / static_cast<std::size_t>(incoming_ + outgoing_ + 1), kLeastUnsent, kMostUnsent);
}

void ServiceChannel::refill() {
  for (std::size_t left = std::min(waiting_.size(), kRefilled); left > 0; --left) {
    const net::StreamId id = waiting_.front();
    waiting_.pop_front();
    const auto found = streams_.find(id);
    if (found != streams_.end() && !found->second->tell_room()) waiting_.push_back(id);
  }
}

}  // namespace p2pd::peer
