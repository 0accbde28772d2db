#include "peer/state_machine.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace p2pd::peer {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOffline = "relay_offline";

Step stay(const State& state) { return {state, {}, {}}; }

// The way into Dialing from anywhere: without a relay session there is nothing to dial through.
Step dial(unsigned attempt, const Facts& facts, std::string_view reason) {
  if (!facts.relay_online) return {Backoff{attempt, true}, {}, std::string(kOffline)};
  Step out{Dialing{attempt}, {}, std::string(reason)};
  out.actions.dial = true;
  return out;
}

Step wait(unsigned attempt, const Facts& facts, std::string reason) {
  if (!facts.demand) return {Idle{}, {}, std::move(reason)};
  if (!facts.relay_online) return {Backoff{attempt, true}, {}, std::move(reason)};
  Step out{Backoff{attempt, false}, {}, std::move(reason)};
  out.actions.back_off = back_off_after(attempt, facts.jitter);
  return out;
}

Step kept(const Kept& event) {
  Step out{Established{event.path}, {}, event.reason};
  return out;
}

struct FromIdle {
  const Facts& facts;

  Step operator()(const Wished&) const { return dial(0, facts, "wanted"); }
  Step operator()(const MessageWaits&) const { return on_demand("message"); }
  Step operator()(const PeerCame&) const { return on_demand("peer_here"); }
  Step operator()(const RelayChanged&) const {
    return facts.relay_online ? on_demand("relay_online") : stay(Idle{});
  }
  Step operator()(const Kept& event) const { return kept(event); }
  template <class Other>
  Step operator()(const Other&) const {
    return stay(Idle{});
  }

  Step on_demand(std::string_view reason) const {
    return facts.demand ? dial(0, facts, reason) : stay(Idle{});
  }
};

struct FromDialing {
  const Dialing& state;
  const Facts& facts;

  Step operator()(const Dropped&) const {
    Step out{Idle{}, {}, "disconnected"};
    out.actions.cancel_dial = true;
    return out;
  }
  Step operator()(const DialFailed& event) const { return wait(state.attempt + 1, facts, event.reason); }
  // What was sent before the peer came is lost, and its repetition may be seconds away.
  Step operator()(const PeerCame&) const {
    Step out = stay(Dialing{});
    out.actions.hurry = true;
    return out;
  }
  // The handshake's packets have no other way.
  Step operator()(const RelayChanged&) const {
    if (facts.relay_online) return stay(state);
    Step out{Backoff{state.attempt, true}, {}, std::string(kOffline)};
    out.actions.cancel_dial = true;
    return out;
  }
  Step operator()(const Kept& event) const { return kept(event); }
  template <class Other>
  Step operator()(const Other&) const {
    return stay(state);
  }
};

struct FromEstablished {
  const Established& state;
  const Facts& facts;

  Step operator()(const Dropped&) const {
    Step out{Idle{}, {}, "disconnected"};
    out.actions.cancel_dial = true;
    out.actions.close = true;
    return out;
  }
  Step operator()(const Kept& event) const { return {Established{event.path}, {}, event.reason}; }
  Step operator()(const PathMoved& event) const { return {Established{event.path}, {}, event.reason}; }
  Step operator()(const Suspected&) const {
    Step out = stay(state);
    out.actions.dial = facts.relay_online;
    return out;
  }
  Step operator()(const Lost& event) const {
    if (event.by_wish) return {Idle{}, {}, event.reason};
    return wait(0, facts, event.reason);
  }
  template <class Other>
  Step operator()(const Other&) const {
    return stay(state);
  }
};

struct FromBackoff {
  const Backoff& state;
  const Facts& facts;

  Step operator()(const Wished&) const { return again(state.attempt, "wanted"); }
  Step operator()(const PeerCame&) const { return again(0, "peer_here"); }
  Step operator()(const NetworkChanged&) const { return again(0, "network_changed"); }
  Step operator()(const RelayChanged&) const {
    if (facts.relay_online) return again(0, "relay_online");
    return stay(Backoff{state.attempt, true});
  }
  Step operator()(const BackoffOver&) const {
    // A timer that is late: the relay session went meanwhile.
    return state.for_relay ? stay(state) : again(state.attempt, "back_off_over");
  }
  Step operator()(const Dropped&) const { return {Idle{}, {}, "disconnected"}; }
  Step operator()(const Kept& event) const { return kept(event); }
  // A message alone does not shorten the wait, or every message to an absent peer would be a dial.
  template <class Other>
  Step operator()(const Other&) const {
    return stay(state);
  }

  Step again(unsigned attempt, std::string_view reason) const {
    if (!facts.demand) return {Idle{}, {}, "not_wanted"};
    if (!facts.relay_online) return stay(Backoff{attempt, true});
    return dial(attempt, facts, reason);
  }
};

}  // namespace

Step step(const State& state, const Event& event, const Facts& facts) {
  if (const auto* dialing = std::get_if<Dialing>(&state)) {
    return std::visit(FromDialing{*dialing, facts}, event);
  }
  if (const auto* established = std::get_if<Established>(&state)) {
    return std::visit(FromEstablished{*established, facts}, event);
  }
  if (const auto* backoff = std::get_if<Backoff>(&state)) {
    return std::visit(FromBackoff{*backoff, facts}, event);
  }
  return std::visit(FromIdle{facts}, event);
}

base::Duration back_off_after(unsigned failed_attempts, double jitter) {
  const auto base = 250ms * (1U << std::min(failed_attempts, 7U));
  const auto with_jitter = std::chrono::duration<double, std::milli>(base) * (1 + jitter / 2);
  return std::min<base::Duration>(30s, std::chrono::duration_cast<base::Duration>(with_jitter));
}

}  // namespace p2pd::peer
