#include "daemon/data_plane.hpp"

#include <boost/asio/post.hpp>

#include "base/log.hpp"

namespace p2pd::daemon {
namespace {

// Relay datagrams that may wait for the plane: a burst of one relay session's whole queue fits.
constexpr std::size_t kFromRelays = 4096;

}  // namespace

DataPlane::DataPlane(Config config)
    : work_(boost::asio::make_work_guard(io_)),
      uplink_(config.to_relays),
      messages_(config.store, io_, std::move(config.news)),
      files_(config.files, config.control, io_.get_executor()),
      streams_(io_, config.streams, config.control),
      observer_(config.observer, config.control, turns_),
      shared_{io_, std::move(config.ice), config.debug, uplink_, messages_, observer_},
      from_relays_(io_.get_executor(), kFromRelays, [this](RelayDatagram datagram) {
        if (PeerNode* node = find(datagram.peer)) node->peer().on_relay_datagram(datagram.bytes);
      }) {
  shared_.ice.servers = servers_;
}

DataPlane::~DataPlane() { join(); }

void DataPlane::start() {
  thread_ = std::thread([this] { run(); });
}

void DataPlane::run() {
  while (io_.run_one() > 0) turns_.fetch_add(1, std::memory_order_release);
}

void DataPlane::post(std::function<void(DataPlane&)> task) {
  turns_.fetch_add(1, std::memory_order_release);
  boost::asio::post(io_, [this, task = std::move(task)] { task(*this); });
}

void DataPlane::relay_datagram(RelayDatagram datagram) {
  if (!from_relays_.push(std::move(datagram)) && base::log::enabled(base::log::Level::debug)) {
    base::log::debug("relay", "datagram dropped, the data plane is behind");
  }
}

void DataPlane::add(peer::PeerConfig config) {
  config.files = &files_;
  config.services = &streams_;
  const base::PeerId id = config.peer;
  nodes_.insert_or_assign(id, std::make_unique<PeerNode>(shared_, std::move(config)));
}

void DataPlane::remove(const base::PeerId& id, net::CloseCode code) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return;
  const std::uint64_t key = next_leaving_++;
  peer::Peer& peer = found->second->peer();
  leaving_.emplace(key, std::move(found->second));
  nodes_.erase(found);
  // The node is destroyed from a later turn: `done` may run inside a call into it.
  peer.shut_down(code, [this, key] {
    boost::asio::post(io_, [this, key] {
      leaving_.erase(key);
      finish_if_empty();
    });
  });
}

PeerNode* DataPlane::find(const base::PeerId& id) {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.get();
}

void DataPlane::set_relay_online(bool online) {
  if (!uplink_.set_online(online)) return;
  for (auto& [id, node] : nodes_) node->peer().on_relay_online(online);
}

void DataPlane::stop(std::function<void()> done) {
  post([done = std::move(done)](DataPlane& plane) mutable {
    plane.stopped_ = std::move(done);
    plane.streams_.stop();
    std::vector<base::PeerId> ids;
    ids.reserve(plane.nodes_.size());
    for (const auto& [id, node] : plane.nodes_) ids.push_back(id);
    for (const base::PeerId& id : ids) plane.remove(id, net::CloseCode::shutdown);
    plane.finish_if_empty();
  });
}

void DataPlane::finish_if_empty() {
  if (!stopped_ || !leaving_.empty()) return;
  from_relays_.close();
  work_.reset();
  std::exchange(stopped_, nullptr)();
}

void DataPlane::join() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
}

}  // namespace p2pd::daemon
