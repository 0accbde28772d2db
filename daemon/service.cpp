#include "daemon/service.hpp"

#include <algorithm>
#include <memory>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "daemon/node.hpp"

namespace p2pd::daemon {
namespace {

// Many peers change at once when a relay comes or goes: one line tells of all.
constexpr auto kStatusPause = std::chrono::seconds(1);

}  // namespace

Service::Service(const base::ServiceManager& manager, Node& node)
    : manager_(manager), node_(node), pause_(node.io()) {}

void Service::ready() {
  if (!manager_.present()) return;
  with_line([this](const std::string& line) {
    if (stopping_) return;
    ready_ = true;
    manager_.ready(line);
    told_ = line;
    changed();
  });
}

void Service::changed() {
  if (!ready_ || waiting_ || stopping_) return;
  waiting_ = true;
  pause_.expires_after(kStatusPause);
  pause_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    tell();
  });
}

void Service::tell() {
  with_line([this](const std::string& line) {
    if (stopping_ || line == told_) return;
    manager_.status(line);
    told_ = line;
  });
}

void Service::stopping() {
  stopping_ = true;
  pause_.cancel();
  manager_.stopping();
}

void Service::with_line(std::function<void(const std::string& line)> done) {
  node_.collect(std::nullopt, [this, done = std::move(done)](const Node::PeerStatuses& peers) {
    const auto relays = node_.relays().status();
    const auto online =
        std::count_if(relays.begin(), relays.end(), [](const auto& one) { return one.online; });
    const auto established = [](const auto& peer) {
      return peer.second.state == peer::PeerState::established;
    };
    const auto direct = [](const auto& peer) { return peer.second.path == peer::PathKind::direct; };
    done(fmt::format("{} of {} relays online, {} of {} peers connected, {} directly", online, relays.size(),
                     std::count_if(peers.begin(), peers.end(), established), peers.size(),
                     std::count_if(peers.begin(), peers.end(), direct)));
  });
}

void Service::check_health(std::function<void()> well) {
  // Counted down on the control thread only.
  auto missing = std::make_shared<std::size_t>(1);
  const auto answer = [missing, well = std::move(well)] {
    if (--*missing == 0) well();
  };
  node_.for_each_plane([&](DataPlane& plane) {
    ++*missing;
    plane.post([&io = node_.io(), answer](DataPlane&) { boost::asio::post(io, answer); });
  });
  node_.store().ping(node_.post_here(), [answer](const base::Result<void>& answered) {
    if (answered) answer();
  });
}

}  // namespace p2pd::daemon
