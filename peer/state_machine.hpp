// When a peer is dialled and what it counts as: a pure step function, no I/O and no clock. The reasons are
// words for events, logs and history. Owned as a value by peer::Peer.
//
//   Idle ----demand----> Dialing -----kept-----> Established{relay} <--path--> Established{direct | turn}
//    ^  ^                 |   ^                        |    |
//    |  +--no demand------+   |                        |    +--suspect: a second dial, state unchanged
//    |          failed, offline                        |
//    |                    v   | over, here, online     |
//    +----no demand---- Backoff <--------lost----------+
//
// `kept` may come in any state: the other end dials too.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "peer/path.hpp"

namespace p2pd::peer {

struct Idle {
  bool operator==(const Idle&) const = default;
};
struct Dialing {
  unsigned attempt = 0;  // failed ones before this
  bool operator==(const Dialing&) const = default;
};
struct Established {
  PathKind path = PathKind::relay;
  bool operator==(const Established&) const = default;
};
struct Backoff {
  unsigned attempt = 0;    // failed ones so far
  bool for_relay = false;  // waits for a relay session, not for a time
  bool operator==(const Backoff&) const = default;
};
using State = std::variant<Idle, Dialing, Established, Backoff>;

// --- events ---
struct Wished {};        // the user said connect; a ping
struct MessageWaits {};  // something to send was added
struct Dropped {};       // the user said disconnect
struct RelayChanged {};  // Facts::relay_online did
struct PeerCame {};      // presence: here
struct NetworkChanged {};
struct DialFailed {
  std::string reason;
};
struct Kept {  // a connection stays
  PathKind path = PathKind::relay;
  std::string reason;
};
struct PathMoved {
  PathKind path = PathKind::relay;
  std::string reason;
};
struct Suspected {  // the established connection does not answer though it should
  std::string reason;
};
struct Lost {  // the established connection ended and none takes its place
  std::string reason;
  bool by_wish = false;  // the other end's user ended it: wait to be asked again
};
struct BackoffOver {};

using Event = std::variant<Wished, MessageWaits, Dropped, RelayChanged, PeerCame, NetworkChanged, DialFailed,
                           Kept, PathMoved, Suspected, Lost, BackoffOver>;

// What is so at the time of the event.
struct Facts {
  bool demand = false;  // wanted, messages or pings wait
  bool relay_online = false;
  double jitter = 0;  // uniform in [0, 1)
};

struct Actions {
  bool dial = false;         // a handshake through the relay, replacing a pending one that was not answered
  bool hurry = false;        // the pending one: say it again now
  bool cancel_dial = false;  // forget the pending one
  bool close = false;        // the established connection, as disconnected
  std::optional<base::Duration> back_off;  // BackoffOver after this; any older such timer is void
  bool operator==(const Actions&) const = default;
};

struct Step {
  State state;
  Actions actions;
  std::string reason;  // of the change; empty when the state's kind did not change
};
[[nodiscard]] Step step(const State& state, const Event& event, const Facts& facts);

// 0.25 s doubling to 30 s, lengthened by up to a half so that two ends do not dial in step for ever.
[[nodiscard]] base::Duration back_off_after(unsigned failed_attempts, double jitter);

}  // namespace p2pd::peer
