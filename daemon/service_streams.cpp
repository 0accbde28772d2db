// The streams on the ServiceBoard, from their opening to what is remembered of them.
#include <utility>

#include <nlohmann/json.hpp>

#include "daemon/data_plane.hpp"
#include "daemon/service_board.hpp"

namespace p2pd::daemon {

using base::PeerId;
using nlohmann::json;

StreamNumber ServiceBoard::open(const PeerId& peer, const std::string& service, base::Duration timeout,
                                std::function<void(const StreamView&)> opened) {
  const StreamNumber number = next_stream_number();
  Stream& stream = streams_[number];
  stream.view = {number, peer, service, false, false, {}};
  stream.opened = std::move(opened);
  config_.on_plane(peer, [number, peer, service, timeout](DataPlane& plane) {
    PeerNode* const node = plane.find(peer);
    plane.streams().open(number, node == nullptr ? nullptr : &node->peer(), service, timeout);
  });
  return number;
}

void ServiceBoard::tie(StreamNumber number, ipc::ClientId client, const std::weak_ptr<ipc::Outlet>& outlet) {
  const auto stream = streams_.find(number);
  const auto here = outlet.lock();
  if (stream == streams_.end() || stream->second.view.outcome) return;
  if (!here) return end(number, peer::StreamEnding::cancelled);
  const auto [entry, fresh] = clients_.try_emplace(client, Client{outlet, {}});
  stream->second.client = client;
  entry->second.streams.insert(number);
  if (!fresh) return;
  here->hold();
  here->when_gone([this, client] { client_gone(client); });
}

void ServiceBoard::untie(Stream& stream) {
  const auto client = std::exchange(stream.client, std::nullopt);
  const auto entry = client ? clients_.find(*client) : clients_.end();
  if (entry == clients_.end()) return;
  entry->second.streams.erase(stream.view.number);
  if (!entry->second.streams.empty()) return;
  if (const auto here = entry->second.outlet.lock()) here->release();
  clients_.erase(entry);
}

void ServiceBoard::client_gone(ipc::ClientId client) {
  const auto entry = clients_.find(client);
  if (entry == clients_.end()) return;
  for (const StreamNumber number : entry->second.streams) end(number, peer::StreamEnding::cancelled);
}

void ServiceBoard::begin(StreamNumber stream, base::Descriptor socket, base::Bytes early) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const auto owned = std::make_shared<base::Descriptor>(std::move(socket));
  with_bridge(found->second.view.peer, [stream, owned, early = std::move(early)](StreamBridge& bridge) {
    bridge.begin(stream, std::move(*owned), early);
  });
}

void ServiceBoard::end(StreamNumber stream, peer::StreamEnding ending) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.view.outcome) return;
  with_bridge(found->second.view.peer,
              [stream, ending](StreamBridge& bridge) { bridge.end(stream, ending); });
}

bool ServiceBoard::wait(StreamNumber stream, std::function<void(const StreamView&)> done) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return false;
  if (found->second.view.outcome) {
    done(found->second.view);
  } else {
    found->second.waiters.push_back(std::move(done));
  }
  return true;
}

void ServiceBoard::on_stream_opened(StreamNumber number) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  stream.view.open = true;
  publish(stream.view, "opened");
  if (const auto opened = std::exchange(stream.opened, nullptr)) opened(stream.view);
}

void ServiceBoard::on_stream_over(StreamNumber number, const LocalStream::Outcome& outcome) {
  const auto found = streams_.find(number);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  stream.view.outcome = outcome;
  untie(stream);
  if (const auto listened = listened_.find(stream.view.service);
      listened != listened_.end() && stream.view.incoming) {
    listened->second.backlog.remove(number);
  }
  publish(stream.view, stream.view.open ? "closed" : "refused");
  over_.push_back(number);
  const StreamView view = stream.view;
  const auto opened = std::exchange(stream.opened, nullptr);
  const auto waiters = std::exchange(stream.waiters, {});
  if (over_.size() > kRemembered) {
    streams_.erase(over_.front());
    over_.pop_front();
  }
  if (opened) opened(view);
  for (const auto& waiter : waiters) waiter(view);
}

void ServiceBoard::publish(const StreamView& view, std::string_view type) {
  if (events_.idle()) return;
  const KnownPeer* known = book_.find(view.peer);
  json fields = {{"stream", static_cast<std::uint64_t>(view.number)},
                 {"peer", view.peer.text()},
                 {"name", known == nullptr ? json() : json(known->name)},
                 {"service", view.service},
                 {"direction", view.incoming ? "in" : "out"}};
  if (view.outcome) {
    fields["reason"] = to_string(view.outcome->ending);
    fields["sent"] = view.outcome->sent;
    fields["received"] = view.outcome->received;
  }
  events_.publish("service", type, fields, view.peer.text());
}

}  // namespace p2pd::daemon
