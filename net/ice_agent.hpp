// Ice over libnice: one peer's ICE, on the io_context of that peer's thread, with no thread of its own.
// Owned by peer::Session. It ends by stop(), whose `done` must have run before destruction (or start() was
// never called); destroying the agent inside `done` is allowed.
//
// Every generation is a NiceAgent of its own: fresh sockets, local addresses listed anew, fresh allocations.
// libnice does not gather again for a stream it has, an agent that failed once may stay failed
// after nice_agent_restart, and a restart nearly always follows a changed network or a dead path. The break
// comes after the make: the generation before goes on receiving, and sending while the new one has no pair,
// until a second after the new one is connected. Both ends decide this for themselves.
//
//   start(1) -> checking -> connected -> start(2): checking, generation 1 carries the data
//                                          -> connected, generation 1 is closed a second later
//                                          -> failed, generation 1 stays
//
// Events are delivered from handlers of the io_context, never from inside a call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "net/ice.hpp"
#include "net/port_mappings.hpp"
#include "net/turn_server.hpp"
#include "proto/candidate.hpp"

namespace p2pd::net {

struct IceServers {
  // libnice asks one STUN server a generation: the first, and the next one in turn at each restart.
  std::vector<proto::Endpoint> stun;
  std::vector<TurnServer> turn;  // the first 8 are used
};

struct IceConfig {
  // Looked at when a generation begins, on the agents' thread: a change counts for those that begin later.
  std::shared_ptr<const IceServers> servers = std::make_shared<IceServers>();
  // Offer loopback addresses, for two daemons on one machine; otherwise not even gathered.
  bool allow_loopback = false;
  // Only relayed candidates are offered and used; no host address is told.
  bool relay_only = false;
  // What a remote candidate must pass; judged before by the peer, and here once more. A local candidate that
  // the other side would refuse is not offered. allow_loopback above is added to it.
  proto::CandidatePolicy policy;
  // The address of this machine by which a direct path was had last; its port means nothing. Gathered, and so
  // offered, before the others. The agent keeps it up to date for its own later generations.
  std::optional<proto::Endpoint> worked_before;
  // Where ports are mapped at the gateway; none: nowhere. Outlives the agents.
  PortMappings* mappings = nullptr;
  std::string log_name;  // the peer's brief ID
};

class IceAgent final : public Ice {
 public:
  // `events` outlives the agent or its stop().
  IceAgent(boost::asio::io_context& io, IceConfig config, IceEvents& events);
  ~IceAgent() override;
  IceAgent(const IceAgent&) = delete;
  IceAgent& operator=(const IceAgent&) = delete;

  // `generation` is higher than in any call before.
  [[nodiscard]] IceCredentials start(std::uint32_t generation, bool controlling) override;
  // The four below do nothing for another than the current generation, nor after stop().
  // Malformed credentials fail the generation (agent_error).
  void set_remote_credentials(std::uint32_t generation, const IceCredentials& credentials) override;
  // At most proto::kMaxRemoteCandidates a generation; what is refused is logged at debug with the reason.
  // Candidates before the credentials wait for them.
  void add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) override;
  void remote_candidates_done(std::uint32_t generation) override;
  // no_path also where the kernel says that there is no route any more.
  [[nodiscard]] SendOutcome send(base::ByteView datagram) override;
  [[nodiscard]] SendOutcome send_batch(base::ByteView datagrams, std::size_t size) override;
  // Takes about a millisecond; with TURN allocations to return, at most 1.5 s.
  void stop(std::function<void()> done) override;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the handlers it has posted
};

}  // namespace p2pd::net
