// What the control thread knows of the peers' doings: it writes the history, publishes the events, counts
// what waits in the outbox and wakes those who wait for a change. Told by the data planes through
// PostedObserver. Control thread; owned by the Node.
#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "daemon/address_book.hpp"
#include "ipc/events.hpp"
#include "peer/ports.hpp"
#include "store/store.hpp"

namespace p2pd::daemon {

// What peers say to each other about their networks.
class NetTalk {
 public:
  virtual void on_why_not_direct(const base::PeerId& peer, peer::WhyNotDirect why) = 0;
  virtual void on_net_question(const base::PeerId& peer, std::uint64_t id) = 0;
  virtual void on_net_report(const base::PeerId& peer, const proto::ControlNetReport& report) = 0;

 protected:
  ~NetTalk() = default;
};

class PeerBoard final : public peer::PeerObserver {
 public:
  using HintsChanged = std::function<void(const base::PeerId&, const std::vector<std::string>&)>;

  // All outlive the board. `hints_changed` is told which relays a peer says it is reached by.
  PeerBoard(const AddressBook& book, store::Store& store, ipc::EventHub& events, HintsChanged hints_changed);

  // `changed` runs after every change of the peer's state or path, until unwatch().
  enum class WatchId : std::uint64_t {};
  [[nodiscard]] WatchId watch(const base::PeerId& peer, std::function<void()> changed);
  void unwatch(WatchId id);
  // Who answers and asks peers about networks; outlives the board's last event.
  void set_doctor(NetTalk& doctor) { doctor_ = &doctor; }
  // Runs after every change of any peer's state or path.
  void watch_all(std::function<void()> changed) { any_changed_ = std::move(changed); }

  // Messages that wait for the peer.
  [[nodiscard]] std::uint64_t waiting(const base::PeerId& peer) const;
  void set_waiting(const base::PeerId& peer, std::uint64_t messages) { waiting_[peer] = messages; }
  void messages_queued(const base::PeerId& peer, std::uint64_t messages) { waiting_[peer] += messages; }
  void message_cancelled(const base::PeerId& peer) { took(peer, 1); }
  void messages_delivered(const base::PeerId& peer, const std::vector<store::OutboxRef>& messages);
  void messages_received(const base::PeerId& peer, const store::InboxCommit& commit);
  void forget(const base::PeerId& peer);

  void on_state_changed(const base::PeerId& peer, std::string_view state, std::string_view reason) override;
  void on_path_changed(const base::PeerId& peer, peer::PathKind from, peer::PathKind to,
                       peer::WhyNotDirect why, std::string_view reason) override;
  void on_why_not_direct(const base::PeerId& peer, peer::WhyNotDirect why) override;
  void on_established(const base::PeerId& peer, base::Duration to_relay) override;
  void on_direct(const base::PeerId& peer, peer::PathKind kind, base::Duration since_dial,
                 const net::IcePair& pair) override;
  void on_candidate(const base::PeerId& peer, std::string_view side, std::uint32_t generation,
                    const proto::Candidate& candidate, std::string_view state,
                    std::string_view reason) override;
  // Deliveries and arrivals are told by the store, which knows what really changed.
  void on_messages_delivered(const base::PeerId&, std::uint64_t) override {}
  void on_messages_received(const base::PeerId&, std::uint64_t) override {}
  void on_relay_hints(const base::PeerId& peer, const std::vector<std::string>& urls) override;
  void on_quality(const base::PeerId& peer, const peer::PeerQuality& quality) override;
  void on_net_question(const base::PeerId& peer, std::uint64_t id) override;
  void on_net_report(const base::PeerId& peer, const proto::ControlNetReport& report) override;

 private:
  struct Attempt {
    std::uint64_t id = 0;
    bool established = false;
    bool direct = false;  // it has been
  };

  // The attempt under way with a peer, begun when there is none.
  Attempt& attempt(const base::PeerId& peer);
  void finish_attempt(const base::PeerId& peer, std::string_view reason);
  void took(const base::PeerId& peer, std::uint64_t messages);
  void wake(const base::PeerId& peer);
  [[nodiscard]] std::string name_of(const base::PeerId& peer) const;

  const AddressBook& book_;
  store::Store& store_;
  ipc::EventHub& events_;
  HintsChanged hints_changed_;
  NetTalk* doctor_ = nullptr;
  std::unordered_map<base::PeerId, Attempt> attempts_;
  std::unordered_map<base::PeerId, std::uint64_t> waiting_;
  struct Watch {
    base::PeerId peer;
    std::function<void()> changed;
  };
  std::map<WatchId, Watch> watches_;
  std::uint64_t last_watch_ = 0;
  std::function<void()> any_changed_;
};

}  // namespace p2pd::daemon
