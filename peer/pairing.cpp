#include "peer/pairing.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "proto/datagram.hpp"

namespace p2pd::peer {

Pairing::Pairing(PairingConfig config, bool joins, base::TimePoint now)
    : config_(std::move(config)), joins_(joins), ends_(now + kWhole), silent_until_(base::kNever) {}

Pairing::~Pairing() = default;

net::QuicConfig Pairing::quic_config() const {
  net::QuicConfig config;
  config.identity = config_.identity;
  config.peer = config_.other;
  config.max_streams = 1;
  return config;
}

base::Result<std::unique_ptr<Pairing>> Pairing::join(PairingConfig config, base::TimePoint now) {
  std::unique_ptr<Pairing> pairing(new Pairing(std::move(config), true, now));
  net::QuicEvents& events = *pairing;
  auto quic = net::QuicConnection::dial(pairing->quic_config(), events, now);
  if (!quic) return quic.error();
  pairing->quic_ = std::move(*quic);
  // The knock names the connection before its first packet goes out.
  base::Bytes& first = pairing->first_packet_;
  first.resize(net::kMinDatagram);
  first.resize(pairing->quic_->write_packet(first, now));
  const auto header = net::parse_packet_header(first);
  P2PD_ASSERT(header && header->destination.size() == net::kConnectionIdSize);
  std::copy(header->destination.begin(), header->destination.end(), pairing->first_id_.begin());
  return pairing;
}

base::Result<std::unique_ptr<Pairing>> Pairing::admit(PairingConfig config, base::ByteView initial,
                                                      base::TimePoint now) {
  std::unique_ptr<Pairing> pairing(new Pairing(std::move(config), false, now));
  net::QuicEvents& events = *pairing;
  auto quic = net::QuicConnection::accept(pairing->quic_config(), events, initial, now);
  if (!quic) return quic.error();
  pairing->quic_ = std::move(*quic);
  return pairing;
}

void Pairing::start(base::TimePoint now) {
  silent_until_ = now + kFirstAnswer;
  send_packet(first_packet_);
  flush(now);
}

void Pairing::receive(base::ByteView packet, base::TimePoint now) {
  if (quic_->receive(packet, now)) silent_until_ = base::kNever;
  flush(now);
}

base::TimePoint Pairing::deadline() const {
  if (over_) return base::kNever;
  return std::min({quic_->deadline(), silent_until_, ends_});
}

void Pairing::on_time(base::TimePoint now) {
  if (over_) return;
  if (now >= ends_) {
    fail("it took too long");
    quic_->close(net::CloseCode::cancelled, "it took too long");
  } else if (now >= silent_until_) {
    fail("no answer");
  } else if (quic_->deadline() <= now) {
    quic_->on_time(now);
  }
  flush(now);
}

std::optional<proto::PairingAsk> Pairing::take_ask() { return std::exchange(ask_, std::nullopt); }

void Pairing::answer(const Answer& answer, base::TimePoint now) {
  if (over_ || !stream_) return;
  const auto frame = std::visit([](const auto& one) { return proto::PairingFrame(one); }, answer);
  quic_->write(*stream_, proto::encode(frame));
  quic_->finish(*stream_);
  answer_ = answer;
  flush(now);
}

void Pairing::close(base::TimePoint now) {
  if (over_) return;
  over_ = true;
  quic_->close(net::CloseCode::none, "");
  flush(now);
}

void Pairing::flush(base::TimePoint now) {
  base::Bytes packet(net::kMinDatagram);
  while (const std::size_t size = quic_->write_packet(packet, now)) {
    send_packet(base::ByteView(packet).first(size));
  }
}

void Pairing::send_packet(base::ByteView packet) {
  const auto prefix = proto::quic_prefix(packet.size());
  config_.send(base::ByteWriter().bytes(prefix).bytes(packet).view());
}

void Pairing::fail(std::string why) {
  over_ = true;
  if (failure_.empty()) failure_ = std::move(why);
}

void Pairing::on_confirmed() {
  if (!joins_) return;
  const auto opened = quic_->open_stream();
  if (!opened) return fail(opened.error().message());
  stream_ = *opened;
  quic_->write(*stream_, proto::encode(proto::PairingFrame(proto::PairingAsk{config_.own_relays})));
}

void Pairing::on_stream_opened(net::StreamId id) {
  // The joiner's one stream; more are beyond the limit that the inviter set, and the inviter opens none.
  if (!joins_ && !stream_) stream_ = id;
}

void Pairing::on_stream_data(net::StreamId id, base::ByteView data, bool) {
  if (id != stream_) return;
  deframer_.feed(data);
  quic_->consume(id, data.size());
  while (!over_) {
    const auto next = deframer_.next();
    if (!next) {
      fail(next.error().message());
      quic_->close(net::CloseCode::protocol_error, next.error().message());
      return;
    }
    if (!next->has_value()) return;
    handle(**next);
  }
}

void Pairing::handle(const proto::PairingFrame& frame) {
  const auto* ask = std::get_if<proto::PairingAsk>(&frame);
  // Early data does not exist here: what comes on a stream comes from a proven key.
  if (!joins_ && ask != nullptr && quic_->confirmed() && !std::exchange(asked_, true)) {
    ask_ = *ask;
  } else if (joins_ && ask == nullptr && !answer_) {
    if (const auto* paired = std::get_if<proto::PairingPaired>(&frame)) {
      answer_ = *paired;
    } else {
      answer_ = std::get<proto::PairingRefused>(frame);
    }
  } else {
    fail("a frame out of turn");
    quic_->close(net::CloseCode::protocol_error, "a frame out of turn");
  }
}

void Pairing::on_stream_reset(net::StreamId id, std::uint64_t) {
  if (id != stream_ || over_) return;
  fail("the stream was reset");
  quic_->close(net::CloseCode::protocol_error, "the stream was reset");
}

void Pairing::on_closed(const net::CloseReason& reason) {
  fail(reason.authentication_failed ? "the other end does not hold the key"
                                    : "closed: " + base::log::escape(reason.text));
}

}  // namespace p2pd::peer
