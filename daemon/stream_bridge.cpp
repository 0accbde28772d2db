#include "daemon/stream_bridge.hpp"

#include <atomic>
#include <cerrno>
#include <utility>

#include <boost/asio/post.hpp>

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
using base::PeerId;
using peer::StreamEnding;
using proto::ServiceRefusal;

constexpr std::size_t kStreamScratch = 64 * 1024;

bool out_of_descriptors(const boost::system::error_code& error) {
  return error.value() == EMFILE || error.value() == ENFILE;
}

}  // namespace

StreamNumber next_stream_number() {
  static std::atomic<std::uint64_t> last = 0;
  return StreamNumber{++last};
}

// A target's addresses, tried one after the other.
struct StreamBridge::Connecting {
  Connecting(asio::io_context& io, std::vector<LocalStream::Socket::endpoint_type> addresses)
      : socket(io), left(std::move(addresses)) {}

  LocalStream::Socket socket;
  std::vector<LocalStream::Socket::endpoint_type> left;
};

StreamBridge::StreamBridge(asio::io_context& io, StreamNews& news, asio::any_io_executor control)
    : shared_{io, base::Bytes(kStreamScratch)}, news_(news), control_(std::move(control)) {}

void StreamBridge::add(StreamNumber stream) {
  streams_[stream].local = std::make_shared<LocalStream>(
      shared_,
      [this, stream] {
        if (const auto found = streams_.find(stream); found != streams_.end()) found->second.timer.reset();
        asio::post(control_, [&news = news_, stream] { news.on_stream_opened(stream); });
      },
      [this, stream](const LocalStream::Outcome& outcome) { over(stream, outcome); });
}

// The stream may be telling this itself: it is kept for the moment.
void StreamBridge::over(StreamNumber stream, const LocalStream::Outcome& outcome) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const Entry entry = std::move(found->second);
  streams_.erase(found);
  asio::post(control_, [&news = news_, stream, outcome] { news.on_stream_over(stream, outcome); });
  if (!stopped_) asio::post(shared_.io, [kept = entry.local] {});
}

void StreamBridge::start_timer(StreamNumber stream, base::Duration timeout, std::function<void()> expired) {
  auto& timer = streams_.at(stream).timer;
  timer = std::make_unique<asio::steady_timer>(shared_.io, timeout);
  // A wait that has completed already cannot be cancelled: the stream may be open by then, or gone.
  timer->async_wait([this, stream, expired = std::move(expired)](const boost::system::error_code& error) {
    if (error) return;
    const auto found = streams_.find(stream);
    if (found != streams_.end() && found->second.timer) expired();
  });
}

// --- opened by the peer ---

void StreamBridge::opened(const PeerId& peer, const std::string& service, Answer answer) {
  const StreamNumber stream = next_stream_number();
  if (stopped_) {
    asio::post(shared_.io, [answer = std::move(answer)] { answer(ServiceRefusal::busy); });
    return;
  }
  add(stream);
  streams_.at(stream).answer = std::move(answer);
  asio::post(control_,
             [&news = news_, stream, peer, service] { news.on_stream_incoming(stream, peer, service); });
}

void StreamBridge::refuse(StreamNumber stream, ServiceRefusal refusal) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || !found->second.answer) return;
  const Answer answer = std::exchange(found->second.answer, nullptr);
  const std::shared_ptr<LocalStream> local = found->second.local;
  answer(refusal);
  local->on_over(peer::to_ending(refusal));
}

void StreamBridge::accept(StreamNumber stream, base::Descriptor socket, base::Bytes early) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || !found->second.answer) return;
  const Answer answer = std::exchange(found->second.answer, nullptr);
  const std::shared_ptr<LocalStream> local = found->second.local;
  boost::system::error_code failed;
  LocalStream::Socket owner(shared_.io);
  owner.assign(LocalStream::Socket::protocol_type(AF_UNIX, 0), socket.get(), failed);
  if (failed) {
    answer(ServiceRefusal::refused);
    return local->on_over(StreamEnding::refused);
  }
  static_cast<void>(socket.release());
  local->accept(std::move(owner), std::move(early), answer);
}

void StreamBridge::connect(StreamNumber stream, const ServiceTarget& target, uid_t owner,
                           const std::string& own_socket) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || !found->second.answer) return;
  if (target.is_unix() && !check_unix_target(target.path, owner, own_socket)) {
    return refuse(stream, ServiceRefusal::refused);
  }
  auto connecting = std::make_shared<Connecting>(shared_.io, target.endpoints());
  found->second.connecting = connecting;
  start_timer(stream, kConnectTimeout, [this, stream] { refuse(stream, ServiceRefusal::refused); });
  try_next(stream, connecting);
}

void StreamBridge::try_next(StreamNumber stream, const std::shared_ptr<Connecting>& connecting) {
  if (connecting->left.empty()) return refuse(stream, ServiceRefusal::refused);
  const auto address = connecting->left.front();
  connecting->left.erase(connecting->left.begin());
  boost::system::error_code ignored;
  connecting->socket.close(ignored);
  connecting->socket.async_connect(
      address, [this, stream, weak = std::weak_ptr(connecting)](const boost::system::error_code& error) {
        const auto found = streams_.find(stream);
        const auto here = weak.lock();
        if (!here || found == streams_.end() || !found->second.answer) return;
        if (out_of_descriptors(error)) return refuse(stream, ServiceRefusal::busy);
        if (error) return try_next(stream, here);
        const Answer answer = std::exchange(found->second.answer, nullptr);
        const std::shared_ptr<LocalStream> local = found->second.local;
        found->second.timer.reset();
        found->second.connecting.reset();
        local->accept(std::move(here->socket), {}, answer);
      });
}

// --- opened here ---

void StreamBridge::open(StreamNumber stream, peer::Peer* peer, const std::string& service,
                        base::Duration timeout) {
  add(stream);
  const std::shared_ptr<LocalStream> local = streams_.at(stream).local;
  if (peer == nullptr || stopped_) {
    return local->on_over(stopped_ ? StreamEnding::stopping : StreamEnding::removed);
  }
  streams_.at(stream).asked = peer;
  start_timer(stream, timeout, [this, stream] {
    if (streams_.at(stream).local->opening()) end(stream, StreamEnding::timed_out);
  });
  peer->open_service(service, local);
}

void StreamBridge::begin(StreamNumber stream, base::Descriptor socket, base::Bytes early) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const std::shared_ptr<LocalStream> local = found->second.local;
  local->begin(std::move(socket), std::move(early));
}

void StreamBridge::end(StreamNumber stream, StreamEnding ending) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const std::shared_ptr<LocalStream> local = found->second.local;
  if (found->second.answer) return refuse(stream, ServiceRefusal::not_permitted);
  // While it waits for a connection, the peer is there.
  if (found->second.asked != nullptr && local->waiting()) {
    static_cast<void>(found->second.asked->abandon_service(*local));
  }
  const auto code =
      ending == StreamEnding::not_permitted ? net::CloseCode::refused : net::CloseCode::cancelled;
  local->end(ending, code);
}

void StreamBridge::stop() {
  stopped_ = true;
  while (!streams_.empty()) {
    const auto first = streams_.begin();
    const std::shared_ptr<LocalStream> local = first->second.local;
    if (first->second.answer) {
      refuse(first->first, ServiceRefusal::busy);
    } else {
      local->end(StreamEnding::stopping, net::CloseCode::shutdown);
    }
    asio::post(shared_.io, [local] {});
  }
}

}  // namespace p2pd::daemon
