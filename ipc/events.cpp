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
  std::optional<std::string> peer;
  std::uint64_t seq = 0;
  bool begun = false;         // the snapshot has been sent
  std::deque<Event> waiting;  // until then

  [[nodiscard]] bool wants(std::string_view topic, const std::optional<std::string>& about) const {
    if (std::find(topics.begin(), topics.end(), topic) == topics.end()) return false;
    return !peer || !about || *peer == *about;
  }
};

EventHub::EventHub(EventSource& source, std::vector<std::string> topics)
    : source_(source), topics_(std::move(topics)), alive_(std::make_shared<bool>(true)) {}
EventHub::~EventHub() = default;

void EventHub::add_methods(MethodTable& table) {
  Method subscribe;
  subscribe.name = "events.subscribe";
  subscribe.tier = Tier::read;
  subscribe.summary = "Sends a snapshot and then every change as `event` notifications on this connection.";
  subscribe.params = {{"topics", Type::texts, Presence::required, "some of: " + join(topics_)},
                      {"peer", Type::text, Presence::optional, "only what concerns this peer"}};
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
  if (const std::optional<std::string> peer = request.text("peer")) {
    std::variant<std::string, ApiError> found = source_.find_peer(*peer);
    if (const auto* const error = std::get_if<ApiError>(&found)) return responder.error(*error);
    subscription->peer = std::get<std::string>(std::move(found));
  }
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
  const std::optional<std::string> peer = subscription->peer;
  subscriptions_.emplace(id, std::move(subscription));
  outlet->hold();
  responder.ok({{"subscription", id}});
  source_.snapshot(topics, peer, [this, id, alive = std::weak_ptr<bool>(alive_)](const json& state) {
    if (!alive.expired()) begin(id, state);
  });
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
  const Event event{std::string(topic), std::string(type), base::to_rfc3339(base::wall_now()),
                    std::make_shared<const json>(fields)};
  for (auto entry = subscriptions_.begin(); entry != subscriptions_.end();) {
    Subscription& subscription = *entry->second;
    bool open = !subscription.outlet.expired();
    if (open && subscription.wants(topic, peer)) {
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
