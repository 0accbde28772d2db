#include "relay/client.hpp"

#include <span>
#include <variant>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/await.hpp"
#include "base/log.hpp"
#include "net/relay_error.hpp"

namespace p2pd::relay {
namespace {

namespace asio = boost::asio;
using base::Clock;
using base::kAwait;
using proto::RelayGoodbyeCode;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

Client::Client(ClientContext context, std::unique_ptr<net::RelayTransport> transport,
               const Credential& credential, const AddressPrefix& address, Budgets budgets)
    : context_(context),
      transport_(std::move(transport)),
      credential_(credential),
      address_(address),
      budgets_(std::move(budgets)),
      control_(context.limits.rate_control, context.limits.burst_control),
      queue_({.datagrams = context.limits.queue_packets, .bytes = context.limits.queue_bytes}),
      wake_(transport_->executor()),
      last_heard_(Clock::now()) {}

asio::awaitable<void> Client::run() {
  using namespace asio::experimental::awaitable_operators;
  transport_->lift_read_budget();
  transport_->set_max_message(proto::kRelayMaxFrame);
  context_.registry.add(id_, *this);
  ++context_.metrics.sessions;
  // The first to end ends the other.
  co_await (read_frames() || write_frames());
  context_.registry.remove(id_, *this);
}

asio::awaitable<bool> Client::read_frames() {
  for (;;) {
    const auto message = co_await transport_->read();
    if (!message) {
      if (message.error().code == make_error_code(net::RelayError::bad_frame))
        ++context_.metrics.ended_protocol;
      base::log::debug("relay", "client left", {{"client", id_}, {"reason", message.error().message()}});
      co_return true;
    }
    // After the goodbye the rest is only read away, for the close to be an orderly one.
    if (!finishing_since_) handle(*message);
  }
}

asio::awaitable<bool> Client::write_frames() {
  for (;;) {
    const auto frame = queue_.pop();
    if (!frame) {
      if (finishing_since_) {
        co_await transport_->close();
        co_return true;
      }
      wake_.expires_at(asio::steady_timer::time_point::max());
      co_await wake_.async_wait(kAwait);
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) co_return true;
      continue;
    }
    writing_since_ = Clock::now();
    const auto written = co_await transport_->write(frame->bytes);
    writing_since_.reset();
    if (!written) co_return true;
  }
}

void Client::handle(base::ByteView message) {
  last_heard_ = Clock::now();
  pinged_.reset();
  const auto frame = proto::parse_client_frame(message);
  if (!frame) {
    protocol_error(frame.error().message());
    return;
  }
  if (const auto* send = std::get_if<proto::RelaySend>(&*frame)) {
    handle_send(*send);
    return;
  }
  if (!control_.take(1, last_heard_)) {
    finish(RelayGoodbyeCode::limit, "too many control frames");
    return;
  }
  std::visit(Overloaded{
                 [this](const proto::RelayKnock& knock) { handle_knock(knock); },
                 [this](const proto::RelayInterest& interest) { handle_interest(interest); },
                 [this](const proto::RelayPing& ping) {
                   queue_control(proto::encode(proto::RelayPong{ping.opaque}));
                 },
                 [](const proto::RelayPong&) {},  // heard: that is all a pong is for
                 [this](const auto&) { protocol_error("a hello after the welcome"); },
             },
             *frame);
}

void Client::handle_send(const proto::RelaySend& frame) {
  if (frame.payload.size() > context_.limits.max_payload) {
    protocol_error("a payload larger than the welcome allows");
    return;
  }
  // Over the rate packets are lost, as on any network: waiting instead would hold up the pings behind them.
  if (!budgets_.key->take(frame.payload.size(), last_heard_) ||
      !budgets_.address->take(frame.payload.size(), last_heard_)) {
    ++context_.metrics.dropped_rate;
    return;
  }
  RegisteredClient* const receiver = context_.registry.find(frame.to);
  if (receiver == nullptr) {
    ++context_.metrics.dropped_offline;
    return;
  }
  ++context_.metrics.forwarded_packets;
  context_.metrics.forwarded_bytes += frame.payload.size();
  const std::span<std::uint8_t> message = transport_->last_message();
  proto::restamp_as_received(message, id_);
  receiver->deliver(base::Bytes(message.begin(), message.end()));
}

void Client::handle_knock(const proto::RelayKnock& frame) {
  RegisteredClient* const receiver = context_.registry.find(frame.to);
  if (!context_.knocks.may_send(id_, address_, last_heard_) || receiver == nullptr ||
      !context_.knocks.may_receive(frame.to, last_heard_)) {
    ++context_.metrics.knocks_dropped;
    return;
  }
  ++context_.metrics.knocks;
  // As a packet and not as control: a knock may be lost.
  receiver->deliver(proto::encode(proto::RelayKnocked{id_, frame.payload}));
}

void Client::handle_interest(const proto::RelayInterest& frame) {
  if (!context_.registry.set_interest(id_, *this, frame.op, frame.peers)) {
    finish(RelayGoodbyeCode::limit, "interest in too many peers");
  }
}

void Client::protocol_error(std::string_view text) {
  ++context_.metrics.ended_protocol;
  finish(RelayGoodbyeCode::protocol_error, text);
}

void Client::finish(RelayGoodbyeCode code, std::string_view text) {
  if (finishing_since_) return;
  finishing_since_ = Clock::now();
  base::log::debug("relay", "goodbye", {{"client", id_}, {"code", to_string(code)}, {"text", text}});
  queue_.clear();
  if (!queue_.push_control(proto::encode(proto::RelayGoodbye{code, std::string(text)}))) transport_->abort();
  wake_.cancel();
}

void Client::sweep(base::TimePoint now) {
  const Limits& limits = context_.limits;
  if (finishing_since_) {
    if (now - *finishing_since_ >= limits.farewell) transport_->abort();
  } else if (writing_since_ && now - *writing_since_ >= limits.slow_consumer) {
    ++context_.metrics.ended_slow;
    base::log::debug("relay", "client reads too slowly", {{"client", id_}});
    transport_->abort();
  } else if (now - last_heard_ >= limits.silent) {
    ++context_.metrics.ended_silent;
    transport_->abort();
  } else if (!pinged_ && now - last_heard_ >= limits.ping_after) {
    pinged_ = now;
    queue_control(proto::encode(proto::RelayPing{}));
  }
}

void Client::queue_control(base::Bytes frame) {
  if (finishing_since_) return;
  if (queue_.push_control(std::move(frame))) {
    wake_.cancel();
  } else {
    ++context_.metrics.ended_slow;
    transport_->abort();
  }
}

void Client::deliver(base::Bytes frame) {
  if (finishing_since_) return;
  context_.metrics.dropped_queue += queue_.push_datagram(std::move(frame));
  wake_.cancel();
}

void Client::on_presence(const base::PeerId& peer, proto::RelayPresenceState state) {
  queue_control(proto::encode(proto::RelayPresence{peer, state}));
}

void Client::on_superseded() {
  ++context_.metrics.ended_superseded;
  finish(RelayGoodbyeCode::superseded, "a newer session of the same key took over");
}

}  // namespace p2pd::relay
