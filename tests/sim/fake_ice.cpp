#include "tests/sim/fake_ice.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace p2pd::sim {

using namespace std::chrono_literals;

FakeIce::FakeIce(IceRegistry& registry, int side, net::IceEvents& events)
    : registry_(registry), side_(side), events_(events) {}

FakeIce::~FakeIce() {
  for (const std::string& ufrag : ufrags_) registry_.by_ufrag.erase(ufrag);
}

void FakeIce::later(base::Duration delay, std::function<void()> what) {
  registry_.world.after(
      delay, [this, alive = std::weak_ptr(alive_), generation = generation_, run = std::move(what)] {
        if (!alive.expired() && generation == generation_) run();
      });
}

proto::Candidate FakeIce::candidate(proto::CandidateType type) const {
  proto::Candidate out;
  out.type = type;
  out.foundation = "1";
  out.priority = type == proto::CandidateType::host ? 2'113'937'151 : 16'777'215;
  out.endpoint.address = {10, 0, 0, static_cast<std::uint8_t>(side_ + 1)};
  out.endpoint.port = static_cast<std::uint16_t>(20'000 + generation_ % 1'000);
  return out;
}

net::IceCredentials FakeIce::start(std::uint32_t generation, bool controlling) {
  P2PD_ASSERT(generation > generation_);
  generation_ = generation;
  controlling_ = controlling;
  local_ = {fmt::format("u{:05}", ++registry_.made), fmt::format("password{:020}", registry_.made)};
  remote_ = {};
  remote_candidates_.clear();
  ufrags_.push_back(local_.ufrag);
  registry_.by_ufrag[local_.ufrag] = this;
  give_up_ = registry_.world.now() + 7'100ms;
  later(2ms, [this] {
    events_.on_ice_candidate(generation_, candidate(proto::CandidateType::host));
    // One that the other end must refuse.
    proto::Candidate loopback = candidate(proto::CandidateType::host);
    loopback.endpoint.address = {127, 0, 0, 1};
    events_.on_ice_candidate(generation_, loopback);
  });
  later(registry_.world.random.between(3ms, 200ms), [this] { events_.on_ice_gathering_done(generation_); });
  later(10ms, [this] { check(); });
  return local_;
}

void FakeIce::set_remote_credentials(std::uint32_t generation, const net::IceCredentials& credentials) {
  if (generation == generation_) remote_ = credentials;
}

void FakeIce::add_remote_candidate(std::uint32_t generation, const proto::Candidate& candidate) {
  if (candidate.endpoint.address[0] == 127) registry_.world.fail("a loopback candidate was accepted");
  if (generation == generation_) remote_candidates_.push_back(candidate);
}

bool FakeIce::pairs() const {
  const auto found = registry_.by_ufrag.find(remote_.ufrag);
  if (found == registry_.by_ufrag.end() || remote_candidates_.empty()) return false;
  const FakeIce& other = *found->second;
  if (other.local_ != remote_ || other.remote_ != local_ || other.remote_candidates_.empty()) return false;
  if (other.controlling_ == controlling_) registry_.world.fail("both ICE agents have one role");
  if (other.generation_ != generation_) registry_.world.fail("ICE generations differ");
  return registry_.network.direct.up_both_ways();
}

void FakeIce::check() {
  if (pairs()) return later(2 * registry_.network.direct.latency + 1ms, [this] { connect(); });
  if (registry_.world.now() < give_up_) return later(50ms, [this] { check(); });
  events_.on_ice_failed(generation_, net::IceFailure::checks_failed);
}

void FakeIce::connect() {
  connected_to_ = remote_.ufrag;
  connected_generation_ = generation_;
  const auto type =
      registry_.network.relayed_pairs ? proto::CandidateType::relay : proto::CandidateType::host;
  later(1s, [this] {
    while (ufrags_.size() > 1) forget(ufrags_.front());
  });
  const net::IcePair pair{candidate(type), remote_candidates_.front()};
  events_.on_ice_connected(generation_, pair);
}

void FakeIce::forget(const std::string& ufrag) {
  registry_.by_ufrag.erase(ufrag);
  std::erase(ufrags_, std::string(ufrag));
}

net::SendOutcome FakeIce::send(base::ByteView datagram) {
  if (connected_to_.empty()) return net::SendOutcome::no_path;
  PathModel& path = registry_.network.direct;
  if (datagram.size() > path.mtu) return net::SendOutcome::too_big;
  registry_.network.carry(
      path, side_,
      [&registry = registry_, to = connected_to_, bytes = base::Bytes(datagram.begin(), datagram.end())] {
        const auto found = registry.by_ufrag.find(to);
        if (found == registry.by_ufrag.end()) return;
        FakeIce& receiver = *found->second;
        const std::weak_ptr<char> alive = receiver.alive_;
        receiver.events_.on_ice_datagram(bytes);
        if (!alive.expired()) receiver.events_.on_ice_batch_end();
      });
  return net::SendOutcome::sent;
}

void FakeIce::stop(std::function<void()> done) {
  for (const std::string& ufrag : ufrags_) registry_.by_ufrag.erase(ufrag);
  ufrags_.clear();
  connected_to_.clear();
  alive_ = std::make_shared<char>();  // what was scheduled is void
  registry_.world.after(3ms, [alive = std::weak_ptr(alive_), run = std::move(done)] {
    if (!alive.expired()) run();
  });
}

}  // namespace p2pd::sim
