// Subscriptions: who wants which topics, and what they are told. A subscription's first notification is a
// snapshot, each next one a change, and `seq` grows by one, so that a gap would show. A client that reads too
// slowly gets one `overflow` event, which ends the subscription: it is to subscribe again. Notifications are
// `event {subscription, seq, time, topic, type, ...}`. Owned by the daemon; server's thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "ipc/method_table.hpp"

namespace p2pd::ipc {

// What the hub needs of the daemon.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // The whole ID of the peer a user means by `text` (name, ID, prefix), or the error to answer.
  [[nodiscard]] virtual std::variant<std::string, ApiError> find_peer(std::string_view text) = 0;
  // The present state of the topics, an object, of one peer (whole ID) when there is one. `done` may be
  // called at once or later, on the server's thread, once.
  virtual void snapshot(const std::vector<std::string>& topics, const std::optional<std::string>& peer,
                        std::function<void(const nlohmann::json& state)> done) = 0;
};

class EventHub {
 public:
  // `source` must outlive the hub, and the hub the table it was added to.
  EventHub(EventSource& source, std::vector<std::string> topics);
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // Adds events.subscribe and events.unsubscribe.
  void add_methods(MethodTable& table);

  // `fields` is an object whose keys go into the notification. With `peer` (a whole ID) only subscriptions to
  // that peer or to all get it; without, all do.
  void publish(std::string_view topic, std::string_view type, const nlohmann::json& fields,
               const std::optional<std::string>& peer = {});

  // Somebody listens to the topic. Looks for clients that have gone, so it is not for every event.
  [[nodiscard]] bool wanted(std::string_view topic);
  // Runs when a subscription has begun.
  void on_subscribed(std::function<void()> subscribed) { subscribed_ = std::move(subscribed); }
  // Nobody listens: the caller may save itself the work of building an event.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::size_t subscriptions() const { return subscriptions_.size(); }

 private:
  struct Subscription;
  struct Event;

  void subscribe(Request request, Responder responder);
  void unsubscribe(const Request& request, Responder responder);
  void begin(std::uint64_t id, const nlohmann::json& state);
  // False when the subscription has ended (overflow, or the client is gone) and is to be removed.
  [[nodiscard]] bool send(Subscription& subscription, std::uint64_t id, const Event& event);
  // The last event of a subscription that cannot follow; always false.
  [[nodiscard]] bool overflow(Subscription& subscription, std::uint64_t id);
  void forget_gone();

  EventSource& source_;
  std::vector<std::string> topics_;
  std::map<std::uint64_t, std::unique_ptr<Subscription>> subscriptions_;
  std::uint64_t last_id_ = 0;
  std::function<void()> subscribed_;
  std::shared_ptr<bool> alive_;  // a snapshot that comes back after the hub has gone is dropped
};

}  // namespace p2pd::ipc
