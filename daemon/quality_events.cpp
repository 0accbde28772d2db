#include "daemon/quality_events.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include "daemon/node.hpp"
#include "daemon/status_json.hpp"

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;

constexpr auto kEvery = std::chrono::seconds(1);

}  // namespace

void QualityEvents::subscribed() {
  if (running_ || !node_.events().wanted("peer")) return;
  running_ = true;
  tasks_.spawn("quality events", run());
}

asio::awaitable<void> QualityEvents::run() {
  asio::steady_timer timer(node_.io());
  while (node_.events().wanted("peer")) {
    timer.expires_after(kEvery);
    const auto [stopped] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (stopped) co_return;
    node_.collect(std::nullopt, [this](const Node::PeerStatuses& statuses) {
      for (const auto& [id, status] : statuses) publish(id, status);
    });
  }
  running_ = false;
  before_.clear();
}

void QualityEvents::publish(const base::PeerId& id, const peer::PeerStatus& status) {
  if (!status.quality || !status.path) {
    before_.erase(id);
    return;
  }
  const peer::PeerQuality& quality = *status.quality;
  Counted now{status.connection, quality.packets_sent, quality.packets_lost};
  const Counted last = std::exchange(before_[id], now);
  const bool same = last.connection == now.connection;
  nlohmann::json event = to_json(quality);
  event.update({{"id", id.text()},
                {"name", node_.name_of(id)},
                {"path", to_string(*status.path)},
                {"loss", same ? loss_of(now.lost - last.lost, now.sent - last.sent) : event.at("loss")},
                {"bytes", bytes_json(quality.bytes)}});
  node_.events().publish("peer", "quality", event, id.text());
}

}  // namespace p2pd::daemon
