#include "daemon/service_board.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "daemon/data_plane.hpp"

namespace p2pd::daemon {

using base::PeerId;
using base::Result;
using nlohmann::json;
using peer::StreamEnding;
using proto::ServiceRefusal;

ServiceBoard::ServiceBoard(boost::asio::io_context& io, Config config, const AddressBook& book,
                           store::Store& store, ipc::EventHub& events)
    : io_(io), config_(std::move(config)), book_(book), store_(store), events_(events) {}

void ServiceBoard::load(std::vector<store::ServiceRow> rows) {
  for (store::ServiceRow& row : rows) {
    auto target = parse_service_target(row.target);
    if (!target || !proto::is_service_name(row.name)) {
      base::log::warn("service", "not offered: its target is not understood",
                      {{"service", row.name}, {"target", row.target}});
      continue;
    }
    exposures_[row.name] = {row.name, std::move(*target), row.owner, {row.allow.begin(), row.allow.end()}};
  }
}

void ServiceBoard::stop() {
  stopped_ = true;
  for (auto& [name, listened] : std::exchange(listened_, {})) {
    for (auto& [id, listener] : listened.listeners) listener.stopped();
  }
  std::vector<std::pair<PeerId, StreamNumber>> running;
  for (const auto& [number, stream] : streams_) {
    if (!stream.view.outcome) running.emplace_back(stream.view.peer, number);
  }
  for (const auto& [peer, number] : running) {
    with_bridge(peer, [n = number](StreamBridge& bridge) { bridge.end(n, StreamEnding::stopping); });
  }
}

void ServiceBoard::forget(const PeerId& peer) {
  for (auto& [name, exposure] : exposures_) exposure.allow.erase(peer);
}

void ServiceBoard::with_bridge(const PeerId& peer, std::function<void(StreamBridge&)> task) {
  config_.on_plane(peer, [task = std::move(task)](DataPlane& plane) { task(plane.streams()); });
}

// --- services ---

void ServiceBoard::expose(Exposure exposure, Done done) {
  const auto listened = listened_.find(exposure.service);
  if (listened != listened_.end() && !listened->second.listeners.empty()) {
    return done(make_error(
        ErrorCode::busy, fmt::format("a program listens for '{}' itself: end that first", exposure.service)));
  }
  if (exposure.target.is_unix()) {
    if (auto good = check_unix_target(exposure.target.path, exposure.owner, config_.own_socket); !good) {
      return done(good.error());
    }
  }
  store::ServiceRow row{exposure.service,
                        exposure.target.text(),
                        exposure.owner,
                        {exposure.allow.begin(), exposure.allow.end()}};
  store_.put_service(
      std::move(row), config_.post(),
      [this, exposure = std::move(exposure), done](const Result<void>& stored) {
        if (!stored) return done(stored);
        const std::string name = exposure.service;
        json allow = json::array();
        for (const PeerId& peer : exposure.allow) allow.push_back(peer.text());
        events_.publish("service", "exposed",
                        {{"service", name}, {"target", exposure.target.text()}, {"allow", std::move(allow)}});
        exposures_[name] = exposure;
        end_unpermitted(name);
        done({});
      });
}

void ServiceBoard::unexpose(const std::string& service, Done done) {
  if (!exposures_.contains(service)) {
    return done(make_error(ErrorCode::not_found,
                           fmt::format("no service '{}' is exposed; see `p2pctl services`", service)));
  }
  store_.remove_service(service, config_.post(), [this, service, done](const Result<void>& stored) {
    if (!stored && stored.error().code != store::StoreError::not_found) return done(stored);
    exposures_.erase(service);
    events_.publish("service", "unexposed", {{"service", service}});
    end_unpermitted(service);
    done({});
  });
}

std::map<std::string, std::size_t> ServiceBoard::listening() const {
  std::map<std::string, std::size_t> out;
  for (const auto& [name, listened] : listened_) {
    if (!listened.listeners.empty()) out[name] = listened.listeners.size();
  }
  return out;
}

std::size_t ServiceBoard::streams_of(const std::string& service) const {
  return static_cast<std::size_t>(std::count_if(streams_.begin(), streams_.end(), [&](const auto& entry) {
    const StreamView& view = entry.second.view;
    return view.incoming && view.open && !view.outcome && view.service == service;
  }));
}

// Those of the service's streams that its present form does not permit.
void ServiceBoard::end_unpermitted(const std::string& service) {
  const auto exposure = exposures_.find(service);
  for (const auto& [number, stream] : streams_) {
    const StreamView& view = stream.view;
    if (!view.incoming || view.outcome || view.service != service) continue;
    if (exposure != exposures_.end() && exposure->second.allow.contains(view.peer)) continue;
    with_bridge(view.peer,
                [n = number](StreamBridge& bridge) { bridge.end(n, StreamEnding::not_permitted); });
  }
}

// --- streams that peers open ---

bool ServiceBoard::named_somewhere(const PeerId& peer) const {
  const bool exposed = std::any_of(exposures_.begin(), exposures_.end(),
                                   [&](const auto& entry) { return entry.second.allow.contains(peer); });
  return exposed || std::any_of(listened_.begin(), listened_.end(), [&](const auto& entry) {
           const auto& allow = entry.second.allow;
           return allow && allow->contains(peer);
         });
}

bool ServiceBoard::admits(const std::optional<std::set<PeerId>>& allow, const PeerId& peer) {
  return !allow || allow->contains(peer);
}

void ServiceBoard::on_stream_incoming(StreamNumber number, const PeerId& peer, const std::string& service) {
  Stream& stream = streams_[number];
  stream.view = {number, peer, service, true, false, {}};
  stream.came = base::Clock::now();
  if (stopped_ || book_.find(peer) == nullptr) return refuse(stream.view, ServiceRefusal::not_permitted);
  if (const auto exposure = exposures_.find(service); exposure != exposures_.end()) {
    if (!exposure->second.allow.contains(peer)) return refuse(stream.view, ServiceRefusal::not_permitted);
    with_bridge(peer, [number, target = exposure->second.target, owner = exposure->second.owner,
                       own = config_.own_socket](StreamBridge& bridge) {
      bridge.connect(number, target, owner, own);
    });
    return;
  }
  if (const auto listened = listened_.find(service);
      listened != listened_.end() &&
      (!listened->second.listeners.empty() || listened->second.backlog.known(stream.came))) {
    return incoming_listened(listened->second, stream);
  }
  refuse(stream.view,
         named_somewhere(peer) ? ServiceRefusal::no_such_service : ServiceRefusal::not_permitted);
}

void ServiceBoard::incoming_listened(Listened& listened, Stream& stream) {
  const PeerId& peer = stream.view.peer;
  auto& listeners = listened.listeners;
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const auto& entry) { return admits(entry.second.allow, peer); });
  if (found != listeners.end()) {
    Listener listener = std::move(found->second);
    listeners.erase(found);
    if (listeners.empty()) listener_gone(stream.view.service, listened);
    return give_to(std::move(listener), stream.view);
  }
  if (!listeners.empty() || !admits(listened.allow, peer)) {
    return refuse(stream.view, ServiceRefusal::not_permitted);
  }
  if (!listened.backlog.add(stream.view.number, stream.came)) {
    return refuse(stream.view, ServiceRefusal::busy);
  }
  arm(stream.view.service, listened);
}

void ServiceBoard::give_to(Listener listener, const StreamView& view) {
  const auto give = [this, number = view.number, peer = view.peer](base::Descriptor socket,
                                                                   base::Bytes early) {
    if (!socket) {
      // The program has gone: somebody else may take it.
      const auto found = streams_.find(number);
      if (found == streams_.end() || found->second.view.outcome) return;
      const auto listened = listened_.find(found->second.view.service);
      if (listened == listened_.end()) return refuse(found->second.view, ServiceRefusal::refused);
      return incoming_listened(listened->second, found->second);
    }
    const auto owned = std::make_shared<base::Descriptor>(std::move(socket));
    with_bridge(peer, [number, owned, early = std::move(early)](StreamBridge& bridge) {
      bridge.accept(number, std::move(*owned), early);
    });
  };
  listener.take(view, give);
}

void ServiceBoard::refuse(const StreamView& view, ServiceRefusal refusal) {
  with_bridge(view.peer,
              [number = view.number, refusal](StreamBridge& bridge) { bridge.refuse(number, refusal); });
}

// --- those who listen ---

Result<ServiceBoard::ListenerId> ServiceBoard::listen(Listener listener) {
  if (exposures_.contains(listener.service)) {
    return make_error(ErrorCode::name_taken,
                      fmt::format("'{}' is exposed already: `p2pctl unexpose {}` first, or choose another "
                                  "name",
                                  listener.service, listener.service));
  }
  Listened& listened = listened_[listener.service];
  const ListenerId id{++last_listener_};
  listened.allow = listener.allow;
  const auto waiting = listened.backlog.take([&](StreamNumber number) {
    const auto stream = streams_.find(number);
    return stream != streams_.end() && admits(listener.allow, stream->second.view.peer);
  });
  if (waiting) {
    listener_gone(listener.service, listened);
    give_to(std::move(listener), streams_.at(*waiting).view);
    return id;
  }
  listened.listeners.emplace_back(id, std::move(listener));
  return id;
}

void ServiceBoard::forget_listener(ListenerId id) {
  for (auto& [name, listened] : listened_) {
    if (std::erase_if(listened.listeners, [&](const auto& entry) { return entry.first == id; }) == 0)
      continue;
    if (listened.listeners.empty()) listener_gone(name, listened);
    return;
  }
}

// The service lives on for a while: its program may be about to listen again.
void ServiceBoard::listener_gone(const std::string& service, Listened& listened) {
  listened.backlog.listener_gone(base::Clock::now());
  arm(service, listened);
}

void ServiceBoard::arm(const std::string& service, Listened& listened) {
  const base::TimePoint deadline = listened.backlog.deadline(base::Clock::now());
  listened.timer.reset();
  if (deadline == base::kNever) return;
  listened.timer = std::make_unique<boost::asio::steady_timer>(io_, deadline);
  listened.timer->async_wait([this, service](const boost::system::error_code& error) {
    if (!error) on_backlog_due(service);
  });
}

void ServiceBoard::on_backlog_due(const std::string& service) {
  const auto found = listened_.find(service);
  if (found == listened_.end()) return;
  Listened& listened = found->second;
  const base::TimePoint now = base::Clock::now();
  for (const StreamNumber number : listened.backlog.expire(now)) {
    const auto stream = streams_.find(number);
    if (stream != streams_.end()) refuse(stream->second.view, ServiceRefusal::refused);
  }
  const bool over = listened.listeners.empty() && listened.backlog.empty() && !listened.backlog.known(now);
  if (over) {
    listened_.erase(found);
  } else {
    arm(service, listened);
  }
}

}  // namespace p2pd::daemon
