#include "ipc/events.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/clock.hpp"

namespace p2pd::ipc {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxPerClient = 16;
// Events that may wait for a snapshot; more, and the subscription begins with an overflow.
constexpr std::size_t kMaxWaiting = 1024;

constexpr std::string_view kMethod = "event";

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

}  // namespace

struct EventHub::Event {
  std::string topic;
  std::string type;
  std::string time;
  std::shared_ptr<const json> fields;  // shared by the subscriptions in which the event waits
};

struct EventHub::Subscription {
  std::weak_ptr<Outlet> outlet;
  ClientId client{};
  std::vector<std::string> topics;
  std::vector<std::string> peers;  // none: all
  std::uint64_t seq = 0;
  bool begun = false;         // the snapshot has been sent
  std::deque<Event> waiting;  // until then

  [[nodiscard]] bool wants(std::string_view topic, const std::optional<std::string>& about) const {
    if (std::find(topics.begin(), topics.end(), topic) == topics.end()) return false;
    return peers.empty() || !about || std::find(peers.begin(), peers.end(), *about) != peers.end();
  }
};

// One kind of event about one peer, of which something was sent less than kPace ago.
struct EventHub::Paced {
  std::optional<std::string> peer;
  std::optional<Event> held;  // the latest since
  std::uint64_t merged = 0;   // events that it stands for
};

EventHub::EventHub(EventSource& source, std::vector<std::string> topics, Later later)
    : source_(source),
      topics_(std::move(topics)),
      later_(std::move(later)),
      alive_(std::make_shared<bool>(true)) {}
EventHub::~EventHub() = default;

void EventHub::add_methods(MethodTable& table) {
  Method subscribe;
  subscribe.name = "events.subscribe";
  subscribe.tier = Tier::read;
  subscribe.summary = "Sends a snapshot and then every change as `event` notifications on this connection.";
  subscribe.params = {{"topics", Type::texts, Presence::required, "some of: " + join(topics_)},
                      {"peer", Type::text, Presence::optional, "only what concerns this peer"},
                      {"peers", Type::texts, Presence::optional, "only what concerns one of these peers"}};
  subscribe.result = "the new subscription";
  subscribe.fields = {{"subscription", Type::count, "its number, in each of its notifications"}};
  subscribe.handler = [this](Request request, Responder responder) {
    this->subscribe(std::move(request), std::move(responder));
  };
  table.add(std::move(subscribe));

  Method unsubscribe;
  unsubscribe.name = "events.unsubscribe";
  unsubscribe.tier = Tier::read;
  unsubscribe.summary = "Ends a subscription of this connection.";
  unsubscribe.params = {{"subscription", Type::count, Presence::required, "its number"}};
  unsubscribe.result = "nothing";
  unsubscribe.handler = [this](const Request& request, Responder responder) {
    this->unsubscribe(request, std::move(responder));
  };
  table.add(std::move(unsubscribe));
}

void EventHub::subscribe(Request request, Responder responder) {
  forget_gone();
  const std::shared_ptr<Outlet> outlet = request.outlet().lock();
  if (!outlet) return responder.error(ErrorCode::invalid_request, "this connection takes no notifications");

  std::vector<std::string> topics = request.texts("topics").value_or(std::vector<std::string>());
  if (topics.empty()) {
    return responder.error(ErrorCode::invalid_params, "`topics` is empty: name some of " + join(topics_));
  }
  for (const std::string& topic : topics) {
    if (std::find(topics_.begin(), topics_.end(), topic) != topics_.end()) continue;
    return responder.error(ErrorCode::invalid_params, "there is no topic `" + topic.substr(0, 64) +
                                                          "` in parameter `topics`: name some of " +
                                                          join(topics_));
  }
  auto subscription = std::make_unique<Subscription>();
  if (!read_peers(request, responder, subscription->peers)) return;
  const auto of_client = std::count_if(subscriptions_.begin(), subscriptions_.end(), [&](const auto& entry) {
    return entry.second->client == request.client().id;
  });
  if (static_cast<std::size_t>(of_client) >= kMaxPerClient) {
    return responder.error(ErrorCode::busy, "this connection has " + std::to_string(kMaxPerClient) +
                                                " subscriptions: end one with events.unsubscribe");
  }

  const std::uint64_t id = ++last_id_;
  subscription->outlet = outlet;
  subscription->client = request.client().id;
  subscription->topics = topics;
  const std::vector<std::string> peers = subscription->peers;
  subscriptions_.emplace(id, std::move(subscription));
  outlet->hold();
  responder.ok({{"subscription", id}});
  source_.snapshot(topics, peers, [this, id, alive = std::weak_ptr<bool>(alive_)](const json& state) {
    if (!alive.expired()) begin(id, state);
  });
}

bool EventHub::read_peers(const Request& request, Responder& responder, std::vector<std::string>& out) {
  std::vector<std::string> named = request.texts("peers").value_or(std::vector<std::string>());
  if (request.texts("peers") && named.empty()) {
    responder.error(ErrorCode::invalid_params, "`peers` is empty: name some, or leave it out for all");
    return false;
  }
  if (const std::optional<std::string> peer = request.text("peer")) named.push_back(*peer);
  for (const std::string& name : named) {
    std::variant<std::string, ApiError> found = source_.find_peer(name);
    if (const auto* const error = std::get_if<ApiError>(&found)) {
      responder.error(*error);
      return false;
    }
    out.push_back(std::get<std::string>(std::move(found)));
  }
  return true;
}

void EventHub::unsubscribe(const Request& request, Responder responder) {
  const auto id = static_cast<std::uint64_t>(request.integer("subscription").value_or(0));
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end() || found->second->client != request.client().id) {
    return responder.error(ErrorCode::not_found, "this connection has no subscription " + std::to_string(id) +
                                                     ": it may have ended");
  }
  if (const auto outlet = found->second->outlet.lock()) outlet->release();
  subscriptions_.erase(found);
  responder.ok();
}

void EventHub::begin(std::uint64_t id, const json& state) {
  const auto found = subscriptions_.find(id);
  if (found == subscriptions_.end()) return;
  Subscription& subscription = *found->second;
  const bool overflow = subscription.waiting.size() >= kMaxWaiting;
  subscription.begun = true;
  const std::deque<Event> waiting = std::exchange(subscription.waiting, {});
  const Event snapshot{"daemon", "snapshot", base::to_rfc3339(base::wall_now()),
                       std::make_shared<const json>(state)};
  bool open = send(subscription, id, snapshot);
  if (open && overflow) open = this->overflow(subscription, id);
  for (auto event = waiting.begin(); open && event != waiting.end(); ++event) {
    open = send(subscription, id, *event);
  }
  if (!open) subscriptions_.erase(found);
  if (open && subscribed_) subscribed_();
}

void EventHub::publish(std::string_view topic, std::string_view type, const json& fields,
                       const std::optional<std::string>& peer) {
  if (idle()) return;
  // What was held back happened before this.
  for (auto& [key, paced] : paced_) {
    if (paced.held && paced.peer == peer) deliver_held(paced);
  }
  deliver({std::string(topic), std::string(type), base::to_rfc3339(base::wall_now()),
           std::make_shared<const json>(fields)},
          peer);
}

void EventHub::publish_latest(std::string_view topic, std::string_view type, const json& fields,
                              const std::optional<std::string>& peer, std::string_view since) {
  if (idle()) return;
  if (!later_) return publish(topic, type, fields, peer);
  const std::string key = std::string(topic) + " " + std::string(type) + " " + peer.value_or("");
  const auto [entry, first] = paced_.try_emplace(key, Paced{peer, std::nullopt, 0});
  if (first) {
    later_(kPace, [this, key, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) pace_over(key);
    });
    return publish(topic, type, fields, peer);
  }
  Paced& paced = entry->second;
  json latest = fields;
  if (!since.empty() && paced.held) latest[std::string(since)] = paced.held->fields->value(since, json());
  if (++paced.merged > 1) latest["merged"] = paced.merged;
  paced.held = Event{std::string(topic), std::string(type), base::to_rfc3339(base::wall_now()),
                     std::make_shared<const json>(std::move(latest))};
}

void EventHub::deliver_held(Paced& paced) {
  const Event event = *std::exchange(paced.held, std::nullopt);
  paced.merged = 0;
  deliver(event, paced.peer);
}

// Nothing was held back: the next one goes out at once again.
void EventHub::pace_over(const std::string& key) {
  const auto entry = paced_.find(key);
  if (!entry->second.held) {
    paced_.erase(entry);
    return;
  }
  deliver_held(entry->second);
  later_(kPace, [this, key, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) pace_over(key);
  });
}

void EventHub::deliver(const Event& event, const std::optional<std::string>& peer) {
  for (auto entry = subscriptions_.begin(); entry != subscriptions_.end();) {
    Subscription& subscription = *entry->second;
    bool open = !subscription.outlet.expired();
    if (open && subscription.wants(event.topic, peer)) {
      if (subscription.begun) {
        open = send(subscription, entry->first, event);
      } else if (subscription.waiting.size() < kMaxWaiting) {
        subscription.waiting.push_back(event);
      }
    }
    entry = open ? std::next(entry) : subscriptions_.erase(entry);
  }
}

bool EventHub::wanted(std::string_view topic) {
  forget_gone();
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [topic](const auto& entry) { return entry.second->wants(topic, std::nullopt); });
}

bool EventHub::idle() const { return subscriptions_.empty(); }

bool EventHub::send(Subscription& subscription, std::uint64_t id, const Event& event) {
  const std::shared_ptr<Outlet> outlet = subscription.outlet.lock();
  if (!outlet) return false;
  json params = event.fields->is_object() ? *event.fields : json::object();
  params["subscription"] = id;
  params["seq"] = subscription.seq + 1;
  params["time"] = event.time;
  params["topic"] = event.topic;
  params["type"] = event.type;
  if (!outlet->notify(kMethod, params)) return overflow(subscription, id);
  ++subscription.seq;
  return true;
}

bool EventHub::overflow(Subscription& subscription, std::uint64_t id) {
  const std::shared_ptr<Outlet> outlet = subscription.outlet.lock();
  if (!outlet) return false;
  outlet->notify_last(kMethod, {{"subscription", id},
                                {"seq", ++subscription.seq},
                                {"time", base::to_rfc3339(base::wall_now())},
                                {"topic", "daemon"},
                                {"type", "overflow"}});
  outlet->release();
  return false;
}

void EventHub::forget_gone() {
  std::erase_if(subscriptions_, [](const auto& entry) { return entry.second->outlet.expired(); });
}

}  // namespace p2pd::ipc
