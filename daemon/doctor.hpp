// `doctor`: both ends' network checks and candidates, exchanged over the connection, and a verdict. It
// examines by itself when a connection has turned out not to become direct, so that status and events say the
// exact reason. It answers peers that ask, too: at most ten times in ten seconds each, from a check that is
// at most a minute old, and without a word about addresses where direct paths to that peer are off. Control
// thread; owned by the Node. How it ends: its coroutines end with the task group.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json_fwd.hpp>

#include "base/task_group.hpp"
#include "daemon/net_checker.hpp"
#include "daemon/peer_board.hpp"
#include "peer/peer.hpp"

namespace p2pd::daemon {

class Node;

class Doctor final : public NetTalk {
 public:
  using Done = std::function<void(const nlohmann::json&)>;

  // Both outlive it.
  Doctor(Node& node, base::TaskGroup& tasks) : node_(node), tasks_(tasks) {}

  // The result of peer.diagnose; without the peer's word when it does not answer within `timeout`.
  void examine(const base::PeerId& peer, base::Duration timeout, Done done);

  void forget(const base::PeerId& peer) { reasons_.erase(peer); }
  // The reason of status, made exact by what the last examination found.
  [[nodiscard]] peer::WhyNotDirect refined(const base::PeerId& peer, peer::WhyNotDirect why) const;

  void on_why_not_direct(const base::PeerId& peer, peer::WhyNotDirect why) override;
  void on_net_question(const base::PeerId& peer, std::uint64_t id) override;
  void on_net_report(const base::PeerId& peer, const proto::ControlNetReport& report) override;

 private:
  // One examination under way.
  struct Visit;
  using VisitPtr = std::shared_ptr<Visit>;

  [[nodiscard]] boost::asio::awaitable<void> wait(VisitPtr visit);
  void look_up(const VisitPtr& visit);
  void conclude(const Visit& visit);
  void keep(const base::PeerId& peer, peer::WhyNotDirect told, peer::WhyNotDirect found);
  void publish(const base::PeerId& peer, peer::WhyNotDirect why);
  void answer(const base::PeerId& peer, std::uint64_t id, const peer::PeerStatus& status);

  Node& node_;
  base::TaskGroup& tasks_;
  std::unordered_map<std::uint64_t, VisitPtr> visits_;  // by the question's ID
  struct Reason {
    peer::WhyNotDirect told = peer::WhyNotDirect::none;   // by the peer's own state
    peer::WhyNotDirect exact = peer::WhyNotDirect::none;  // as found by examination, else the same
  };
  std::unordered_map<base::PeerId, Reason> reasons_;  // of connected peers
  struct Answered {
    base::TimePoint since;
    int count = 0;
  };
  std::unordered_map<base::PeerId, Answered> answered_;  // lately
};

}  // namespace p2pd::daemon
