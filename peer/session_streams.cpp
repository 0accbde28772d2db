#include <type_traits>
#include <utility>

#include "base/log.hpp"
#include "peer/session.hpp"
#include "proto/error.hpp"
#include "proto/stream_kind.hpp"

namespace p2pd::peer {

namespace log = base::log;

namespace {

// RFC 9000 2.1: the dialler's first bidirectional stream, however packets are reordered.
constexpr net::StreamId kControlStream{0};
// Held for streams that overtook the hello or the `keep`; an honest peer sends a round trip's worth.
constexpr std::size_t kMaxEarly = 4 * 1024 * 1024;
constexpr std::uint32_t kCapabilities = proto::kCapabilityMessages;

}  // namespace

// --- the control stream ---

void Session::attach_control(net::StreamId id) {
  proto::ControlHello hello;
  hello.capabilities = kCapabilities;
  if (config_.files != nullptr) hello.capabilities |= proto::kCapabilityFiles;
  if (config_.services != nullptr) hello.capabilities |= proto::kCapabilityServices;
  hello.instance = config_.instance;
  hello.message_epoch = config_.message_epoch;
  hello.direct_allowed = config_.direct_allowed;
  control_->attach(id, hello);
  say_hints();
  if (stage_ == Stage::kept) start_messages();
}

void Session::say(const proto::ControlMessage& message) {
  if (stage_ == Stage::closed) return;
  if (!control_->send(message)) fail("the control stream is not read");
}

void Session::say_hints() {
  if (!config_.own_relays.empty()) say(proto::ControlRelayHints{config_.own_relays});
}

void Session::set_own_relays(std::vector<std::string> urls) {
  config_.own_relays = std::move(urls);
  if (control_->attached()) say_hints();
}

void Session::tell(const proto::ControlMessage& message) { say(message); }

void Session::ping(std::uint64_t id) { say(proto::ControlPing{id}); }

void Session::receive_control(base::ByteView data) {
  const base::Result<> received =
      control_->receive(data, [this](const proto::ControlMessage& message) { return handle(message); });
  if (!received) fail(received.error().message());
}

base::Result<> Session::handle(const proto::ControlMessage& message) {
  return std::visit(
      [this](const auto& body) -> base::Result<> {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, proto::ControlHello>) {
          return handle_hello(body);
        } else if constexpr (std::is_same_v<Body, proto::ControlKeep>) {
          return handle_keep();
        } else if constexpr (std::is_same_v<Body, proto::ControlIceCredentials>) {
          return ice_.receive(body, host_.now());
        } else if constexpr (std::is_same_v<Body, proto::ControlCandidate> ||
                             std::is_same_v<Body, proto::ControlCandidatesDone>) {
          ice_.receive(body);
        } else if constexpr (std::is_same_v<Body, proto::ControlRelayHints>) {
          observer_.on_relay_hints(config_.peer, body.urls);
        } else if constexpr (std::is_same_v<Body, proto::ControlPing>) {
          say(proto::ControlPong{body.id});
        } else if constexpr (std::is_same_v<Body, proto::ControlPong>) {
          host_.on_session_pong(body.id);
        } else if constexpr (std::is_same_v<Body, proto::ControlNetQuestion>) {
          observer_.on_net_question(config_.peer, body.id);
        } else if constexpr (std::is_same_v<Body, proto::ControlNetReport>) {
          observer_.on_net_report(config_.peer, body);
        } else {
          static_assert(std::is_same_v<Body, proto::ControlDirectPolicy>);
          peer_allows_direct_ = body.allowed;
          update_ice(body.allowed ? "the peer allows it again" : "the peer forbids it");
        }
        return {};
      },
      message);
}

base::Result<> Session::handle_hello(const proto::ControlHello& hello) {
  if (hello.version != proto::kControlVersion) {
    return proto::frame_error(proto::FrameError::version, "control hello");
  }
  hello_ = hello;
  peer_allows_direct_ = hello.direct_allowed;
  update_ice("hello");
  host_.on_session_hello(*this);
  if (usable()) on_usable();
  return {};
}

base::Result<> Session::handle_keep() {
  if (config_.arbiter) return proto::frame_error(proto::FrameError::bad_value, "`keep` to the arbiter");
  if (stage_ != Stage::confirmed) return {};
  on_kept();
  host_.on_session_keep(*this);
  return {};
}

// --- QUIC's stream events ---

void Session::on_stream_opened(net::StreamId id) {
  if (id == kControlStream) {
    if (!control_->attached()) attach_control(id);
    return;
  }
  streams_.try_emplace(id);
}

void Session::on_stream_data(net::StreamId id, base::ByteView data, bool fin) {
  if (stage_ == Stage::closed) return;
  if (control_->is(id)) {
    receive_control(data);
    if (fin) fail("the control stream was finished");
    return;
  }
  const auto found = streams_.find(id);
  if (found == streams_.end()) {
    quic_->consume(id, data.size());
    return;
  }
  if (usable() || found->second.handler != nullptr) {
    dispatch(id, data, fin);
  } else {
    hold_early(found->second, data, fin);
  }
}

void Session::on_stream_acknowledged(net::StreamId id, std::size_t) {
  const auto found = streams_.find(id);
  if (found != streams_.end() && found->second.handler != nullptr) found->second.handler->on_acknowledged();
}

void Session::on_stream_reset(net::StreamId id, std::uint64_t code) { refuse(id, code); }
void Session::on_stream_stopped(net::StreamId id, std::uint64_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.handler == nullptr) return refuse(id, code);
  found->second.handler->on_stopped(code);
}

void Session::on_stream_closed(net::StreamId id) {
  if (control_->is(id)) return fail("the control stream was closed");
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  // The handler may drop or adopt streams itself.
  const Stream ended = std::move(found->second);
  streams_.erase(found);
  if (ended.handler != nullptr) ended.handler->on_ended();
}

void Session::refuse(net::StreamId id, std::uint64_t code) {
  if (control_->is(id)) return fail("the control stream was reset");
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  if (found->second.handler != nullptr) return found->second.handler->on_refused(code);
  quic_->reset(id, net::CloseCode::cancelled);
  early_bytes_ -= found->second.early.size();
  streams_.erase(found);
}

// --- application streams ---

// Streams are delivered independently: one may overtake the control stream's first messages.
void Session::hold_early(Stream& stream, base::ByteView data, bool fin) {
  early_bytes_ += data.size();
  if (early_bytes_ > kMaxEarly) return fail("application streams before their time");
  stream.early.insert(stream.early.end(), data.begin(), data.end());
  stream.early_fin = stream.early_fin || fin;
}

void Session::release_early() {
  early_bytes_ = 0;
  std::vector<net::StreamId> ids;
  for (const auto& [id, stream] : streams_) {
    if (stream.handler == nullptr && (!stream.early.empty() || stream.early_fin)) ids.push_back(id);
  }
  for (const net::StreamId id : ids) {
    const auto found = streams_.find(id);
    if (found == streams_.end() || stage_ == Stage::closed) continue;
    const base::Bytes early = std::exchange(found->second.early, {});
    dispatch(id, early, found->second.early_fin);
  }
}

void Session::dispatch(net::StreamId id, base::ByteView data, bool fin) {
  Stream& stream = streams_.at(id);
  if (stream.handler == nullptr) {
    if (data.empty() && !fin) return;
    if (data.empty() || !open_handler(id, data.front())) {
      log::debug("session", "stream of an unknown kind refused", {{"peer", config_.peer}});
      streams_.erase(id);
      quic_->consume(id, data.size());
      quic_->reset(id, net::CloseCode::refused);
      return;
    }
    quic_->consume(id, 1);
    data = data.subspan(1);
    if (data.empty() && !fin) return;
  }
  if (!stream.handler->on_data(data, fin)) fail("broken frame on an application stream");
}

// Where a kind of stream gets its handler.
bool Session::open_handler(net::StreamId id, std::uint8_t kind) {
  Stream& stream = streams_.at(id);
  MessageSink& sink = *this;
  const std::optional<proto::StreamKind> known = proto::stream_kind(kind);
  if (!known) return false;
  switch (*known) {
    case proto::StreamKind::messages:
      // The sender has one at a time: a new one means that it gave up the last.
      if (incoming_messages_ && streams_.contains(*incoming_messages_)) {
        quic_->reset(*incoming_messages_, net::CloseCode::cancelled);
        streams_.erase(*incoming_messages_);
      }
      incoming_messages_ = id;
      stream.owned = std::make_unique<MessageReceiver>(*quic_, store_, config_.peer, hello_->message_epoch,
                                                       id, sink, config_.received);
      break;
    case proto::StreamKind::files:
      if (!files_) return false;
      stream.owned = files_->receive(id);
      break;
    case proto::StreamKind::service:
      if (!services_) return false;
      stream.owned = services_->receive(id);
      break;
  }
  stream.handler = stream.owned.get();
  return true;
}

void Session::adopt_stream(net::StreamId id, StreamHandler& handler) { streams_[id].handler = &handler; }

void Session::own_stream(net::StreamId id, std::unique_ptr<StreamHandler> handler) {
  Stream& stream = streams_[id];
  stream.handler = handler.get();
  stream.owned = std::move(handler);
}

void Session::open_service(const std::string& service, const std::shared_ptr<StreamEnd>& end) {
  if (!services_ || (hello_->capabilities & proto::kCapabilityServices) == 0) {
    return end->on_over(StreamEnding::unsupported);
  }
  services_->open(service, end);
}

void Session::on_messages_delivered(std::uint64_t up_to) {
  observer_.on_messages_delivered(config_.peer, up_to);
}

void Session::on_store_answered() {
  host_.enter();
  host_.leave();
}

void Session::on_outbox_changed() {
  if (sender_ && stage_ == Stage::kept) sender_->on_outbox_changed();
}

void Session::on_files_changed() {
  if (files_ && stage_ == Stage::kept) files_->on_files_changed();
}

void Session::restart_file(const proto::TransferId& id) {
  if (files_ && stage_ == Stage::kept) files_->restart(id);
}

void Session::cancel_incoming_file(const proto::TransferId& id) {
  if (files_ && stage_ == Stage::kept) files_->cancel_incoming(id);
}

}  // namespace p2pd::peer
