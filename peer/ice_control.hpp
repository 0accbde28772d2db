// ICE of one connection: generations, what goes to the peer and what comes from it, and when to try again.
// The agent's own work (RFC 8445) is net::Ice's; which path is used is the Link's.
//
//   off <--allow()-- | --> gathering and checking (generation n) --> connected --+
//                                 ^        failed: IceSchedule's wait            |
//                                 +---- restart(): generation n + 1 <------------+
//
// Either end proposes n + 1 by sending its credentials; the other joins it; equal proposals merge; what
// belongs to an older generation is ignored. Owned by peer::Session, on the peer's thread. It ends by stop():
// the agent is handed to the owner, which keeps it until it has closed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/ice.hpp"
#include "peer/ice_schedule.hpp"
#include "proto/candidate.hpp"
#include "proto/control_messages.hpp"

namespace p2pd::peer {

class IceControlSink {
 public:
  [[nodiscard]] virtual std::unique_ptr<net::Ice> make_ice(net::IceEvents& events) = 0;
  // Takes an agent out of service: stop() and, later, destruction are the sink's.
  virtual void retire_ice(std::unique_ptr<net::Ice> agent) = 0;
  virtual void send_control(const proto::ControlMessage& message) = 0;
  // For log, events and history.
  virtual void on_ice_candidate_seen(std::string_view side, std::uint32_t generation,
                                     const proto::Candidate& candidate, std::string_view state,
                                     std::string_view reason) = 0;

 protected:
  ~IceControlSink() = default;
};

class IceControl {
 public:
  // `events`: the owner's, which forwards those of the current generation to the functions below.
  IceControl(IceControlSink& sink, net::IceEvents& events, const base::PeerId& peer, bool controlling,
             proto::CandidatePolicy policy);
  ~IceControl();

  // --- this end ---
  // Makes an agent and proposes the next generation, unless one is running.
  void start(std::string_view reason);
  // Proposes the next generation at once, or after the schedule's wait.
  void restart(std::string_view reason, base::TimePoint now);
  void restart_later(std::string_view reason, base::TimePoint now);
  // Something changed: the next tries are quick again, and the last failure says nothing about them.
  void reset_schedule() {
    schedule_.reset();
    failure_.reset();
  }
  void stop();
  [[nodiscard]] bool running() const { return agent_ != nullptr; }

  // --- from the agent; false: an older generation's ---
  bool on_candidate(std::uint32_t generation, const proto::Candidate& local);
  bool on_gathering_done(std::uint32_t generation);
  bool on_connected(std::uint32_t generation, const net::IcePair& pair);
  bool on_failed(std::uint32_t generation, net::IceFailure failure, base::TimePoint now);

  // --- from the peer; an error ends the connection ---
  [[nodiscard]] base::Result<> receive(const proto::ControlIceCredentials& credentials, base::TimePoint now);
  void receive(const proto::ControlCandidate& candidate);
  void receive(const proto::ControlCandidatesDone& done);

  [[nodiscard]] net::SendOutcome send(base::ByteView datagram);
  [[nodiscard]] net::SendOutcome send_batch(base::ByteView datagrams, std::size_t size);

  // The pair selected last. A failed later generation leaves it: it may still carry data, and the Link is to
  // judge that; drop_pair() is the answer.
  [[nodiscard]] const std::optional<net::IcePair>& pair() const { return pair_; }
  void drop_pair() { pair_.reset(); }
  // Of the last try that ended; nothing after a success, before the first, or when the peer's addresses have
  // changed since.
  [[nodiscard]] std::optional<net::IceFailure> last_failure() const { return failure_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }

  [[nodiscard]] base::TimePoint deadline() const { return retry_at_; }
  void on_time(base::TimePoint now);

 private:
  void propose(std::uint32_t generation, std::string_view reason);
  void compare_with_failed(const proto::Candidate& candidate);
  [[nodiscard]] std::uint32_t next_generation() const;

  IceControlSink& sink_;
  net::IceEvents& events_;
  const base::PeerId peer_;
  const bool controlling_;
  std::unique_ptr<net::Ice> agent_;
  IceSchedule schedule_;
  std::uint32_t generation_ = 0;         // ours; 0: none yet
  std::uint32_t remote_generation_ = 0;  // of the peer's newest credentials
  proto::RemoteCandidates remote_;
  base::TimePoint joins_since_{};
  unsigned joins_ = 0;  // of the peer's proposals, since then
  std::optional<net::IcePair> pair_;
  std::optional<net::IceFailure> failure_;
  // The peer's, of the generation that failed last: types and addresses, without ports.
  std::vector<proto::Candidate> failed_remote_;
  base::TimePoint retry_at_ = base::kNever;
};

}  // namespace p2pd::peer
