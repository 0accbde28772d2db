// Subscriptions: who wants which topics, and what they are told. A subscription's first notification is a
// snapshot, each next one a change, and `seq` grows by one, so that a gap would show. A client that reads too
// slowly gets one `overflow` event, which ends the subscription: it is to subscribe again. Notifications are
// `event {subscription, seq, time, topic, type, ...}`. Of events whose latest counts, a burst becomes the
// first and the latest. Owned by the daemon; server's thread only.
#pragma once

#include <chrono>
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

#include "base/clock.hpp"
#include "ipc/method_table.hpp"

namespace p2pd::ipc {

// What the hub needs of the daemon.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // The whole ID of the peer a user means by `text` (name, ID, prefix), or the error to answer.
  [[nodiscard]] virtual std::variant<std::string, ApiError> find_peer(std::string_view text) = 0;
  // The present state of the topics, an object, of these peers (whole IDs), or of all when there are none.
  // `done` may be called at once or later, on the server's thread, once.
  virtual void snapshot(const std::vector<std::string>& topics, const std::vector<std::string>& peers,
                        std::function<void(const nlohmann::json& state)> done) = 0;
};

class EventHub {
 public:
  // Runs something on the server's thread after a while.
  using Later = std::function<void(base::Duration, std::function<void()>)>;
  // Between two events of which the latest counts, of one kind about one peer.
  static constexpr base::Duration kPace = std::chrono::milliseconds(200);

  // `source` must outlive the hub, and the hub the table it was added to. Without `later` nothing is held
  // back.
  EventHub(EventSource& source, std::vector<std::string> topics, Later later = {});
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // Adds events.subscribe and events.unsubscribe.
  void add_methods(MethodTable& table);

  // `fields` is an object whose keys go into the notification. With `peer` (a whole ID) only subscriptions to
  // that peer or to all get it; without, all do.
  void publish(std::string_view topic, std::string_view type, const nlohmann::json& fields,
               const std::optional<std::string>& peer = {});
  // The same for an event of which the latest counts: it goes out at once, or, within kPace of another one of
  // this topic, type and peer, at the end of that time or before the next other event about the peer, and
  // then only the latest. That one has a key `merged` with the number of events it stands for, and of the
  // first of them the value of the key `since`, if one is named: what they changed from.
  void publish_latest(std::string_view topic, std::string_view type, const nlohmann::json& fields,
                      const std::optional<std::string>& peer = {}, std::string_view since = {});

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
  struct Paced;

  void subscribe(Request request, Responder responder);
  void unsubscribe(const Request& request, Responder responder);
  void begin(std::uint64_t id, const nlohmann::json& state);
  // False when the subscription has ended (overflow, or the client is gone) and is to be removed.
  [[nodiscard]] bool send(Subscription& subscription, std::uint64_t id, const Event& event);
  // The last event of a subscription that cannot follow; always false.
  [[nodiscard]] bool overflow(Subscription& subscription, std::uint64_t id);
  void forget_gone();
  // The peers that a subscription is limited to, none for all; false after answering the error.
  [[nodiscard]] bool read_peers(const Request& request, Responder& responder, std::vector<std::string>& out);
  void deliver(const Event& event, const std::optional<std::string>& peer);
  void deliver_held(Paced& paced);
  void pace_over(const std::string& key);

  EventSource& source_;
  std::vector<std::string> topics_;
  std::map<std::uint64_t, std::unique_ptr<Subscription>> subscriptions_;
  std::uint64_t last_id_ = 0;
  std::function<void()> subscribed_;
  Later later_;
  std::map<std::string, Paced> paced_;  // by topic, type and peer; no more than were told of within kPace
  std::shared_ptr<bool> alive_;         // a snapshot that comes back after the hub has gone is dropped
};

}  // namespace p2pd::ipc
