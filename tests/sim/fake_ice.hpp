// An ICE agent without sockets. It keeps to the contract of net::Ice: two agents connect when each holds the
// other's credentials of its present generation and a candidate, their roles differ, and the direct path is
// up; otherwise they fail after the time that libnice takes. As with net::IceAgent an earlier generation
// carries data until the new one is connected.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/ice.hpp"
#include "tests/sim/network.hpp"

namespace p2pd::sim {

class FakeIce;

struct IceRegistry {
  World& world;
  Network& network;
  std::map<std::string, FakeIce*> by_ufrag;
  std::uint64_t made = 0;
};

class FakeIce final : public net::Ice {
 public:
  FakeIce(IceRegistry& registry, int side, net::IceEvents& events);
  ~FakeIce() override;

  net::IceCredentials start(std::uint32_t generation, bool controlling) override;
  void set_remote_credentials(std::uint32_t generation, const net::IceCredentials& credentials) override;
  void add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) override;
  void remote_candidates_done(std::uint32_t) override {}
  net::SendOutcome send(base::ByteView datagram) override;
  void stop(std::function<void()> done) override;

 private:
  // Runs unless the agent was stopped, or has another generation by then.
  void later(base::Duration delay, std::function<void()> what);
  [[nodiscard]] proto::Candidate candidate(proto::CandidateType type) const;
  void check();
  [[nodiscard]] bool pairs() const;
  void connect();
  void forget(const std::string& ufrag);

  IceRegistry& registry_;
  const int side_;
  net::IceEvents& events_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::uint32_t generation_ = 0;
  bool controlling_ = false;
  net::IceCredentials local_;
  net::IceCredentials remote_;
  std::vector<proto::Candidate> remote_candidates_;
  base::TimePoint give_up_{};
  std::vector<std::string> ufrags_;  // that datagrams may still come to
  std::string connected_to_;         // the ufrag of the pair in use; empty: none
  std::uint32_t connected_generation_ = 0;
};

}  // namespace p2pd::sim
