// What a peer needs of ICE (RFC 8445): one agent, one component, restarts by generation. net::IceAgent does
// it with libnice; the simulation has one of its own. An agent tells of itself through IceEvents, on its
// owner's thread, never from inside a call into it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

struct IceCredentials {
  std::string ufrag;     // 4 to 256 ice-chars
  std::string password;  // 22 to 256 ice-chars

  [[nodiscard]] bool operator==(const IceCredentials&) const = default;
};

struct IcePair {
  proto::Candidate local;
  proto::Candidate remote;
  // Where packets leave this machine.
  [[nodiscard]] const proto::Endpoint& local_base() const {
    return local.related ? *local.related : local.endpoint;
  }
  // Either end of the pair is a TURN allocation.
  [[nodiscard]] bool relayed() const {
    return local.type == proto::CandidateType::relay || remote.type == proto::CandidateType::relay;
  }
};

enum class IceFailure { no_candidates, checks_failed, agent_error };

class IceEvents {
 public:
  // Every event names the generation it belongs to; the owner ignores old ones.
  virtual void on_ice_candidate(std::uint32_t generation, const proto::Candidate& local) = 0;
  virtual void on_ice_gathering_done(std::uint32_t generation) = 0;
  // A pair is selected and carries data both ways; again whenever another pair is selected.
  virtual void on_ice_connected(std::uint32_t generation, const IcePair& pair) = 0;
  virtual void on_ice_failed(std::uint32_t generation, IceFailure failure) = 0;
  // A datagram of ours: what libnice did not take as STUN or ChannelData. Several of QUIC's may come as one
  // (proto::QuicPackets). Valid during the call. It may come before on_ice_connected, and on the generation
  // before the current one.
  virtual void on_ice_datagram(base::ByteView datagram) = 0;
  // All that had arrived together was delivered: a good moment to flush.
  virtual void on_ice_batch_end() = 0;

 protected:
  ~IceEvents() = default;
};

enum class SendOutcome {
  sent,
  blocked,  // socket buffer full: lost, as on any network
  too_big,  // EMSGSIZE: the path's packet size must shrink
  no_path,  // no selected pair, or the system has no route any more
};

class Ice {
 public:
  virtual ~Ice() = default;

  // Starts (generation 1 of a connection) or restarts (higher ones) and gathers. Returns this generation's
  // local credentials, to be sent at once; candidates follow as events.
  [[nodiscard]] virtual IceCredentials start(std::uint32_t generation, bool controlling) = 0;
  // The peer's credentials of the current generation; checks begin as candidates come.
  virtual void set_remote_credentials(std::uint32_t generation, const IceCredentials& credentials) = 0;
  // Canonical, judged candidates only.
  virtual void add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) = 0;
  virtual void remote_candidates_done(std::uint32_t generation) = 0;
  [[nodiscard]] virtual SendOutcome send(base::ByteView datagram) = 0;
  // Several datagrams, one behind the other: each has `size` bytes but the last, which may have fewer. As
  // send() for each, in fewer system calls where that can be. The outcome is that of all, or of the first
  // that was not sent.
  [[nodiscard]] virtual SendOutcome send_batch(base::ByteView datagrams, std::size_t size) {
    SendOutcome outcome = SendOutcome::sent;
    while (!datagrams.empty()) {
      const SendOutcome one = send(base::take_front(datagrams, size));
      if (outcome == SendOutcome::sent) outcome = one;
    }
    return outcome;
  }
  // Closes sockets and TURN allocations; `done` runs when nothing of the agent is left. No event follows the
  // call.
  virtual void stop(std::function<void()> done) = 0;
};

}  // namespace p2pd::net
