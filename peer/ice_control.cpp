#include "peer/ice_control.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "proto/error.hpp"

namespace p2pd::peer {

namespace log = base::log;

namespace {

// A peer proposes one generation further at a time; the slack is for proposals ignored while off.
constexpr std::uint32_t kMaxGenerationJump = 64;
// Each generation is sockets and packets here: no peer may cause them at will.
constexpr base::Duration kJoinWindow = std::chrono::minutes(1);
constexpr unsigned kMaxJoins = 30;

}  // namespace

IceControl::IceControl(IceControlSink& sink, net::IceEvents& events, const base::PeerId& peer,
                       bool controlling, proto::CandidatePolicy policy)
    : sink_(sink), events_(events), peer_(peer), controlling_(controlling), remote_(std::move(policy)) {}

IceControl::~IceControl() { stop(); }

std::uint32_t IceControl::next_generation() const { return std::max(generation_, remote_generation_) + 1; }

void IceControl::start(std::string_view reason) {
  if (agent_) return;
  propose(next_generation(), reason);
}

void IceControl::restart(std::string_view reason, base::TimePoint) {
  if (agent_) propose(next_generation(), reason);
}

void IceControl::restart_later(std::string_view reason, base::TimePoint now) {
  if (!agent_ || retry_at_ != base::kNever) return;
  const base::Duration wait = schedule_.next();
  log::debug("ice", "restart later", {{"peer", peer_}, {"reason", reason}, {"wait_ms", base::to_ms(wait)}});
  retry_at_ = now + wait;
}

void IceControl::on_time(base::TimePoint now) {
  if (now < retry_at_) return;
  restart("retry", now);
}

void IceControl::propose(std::uint32_t generation, std::string_view reason) {
  if (!agent_) agent_ = sink_.make_ice(events_);
  log::debug(
      "ice", "start",
      {{"peer", peer_}, {"generation", generation}, {"reason", reason}, {"controlling", controlling_}});
  retry_at_ = base::kNever;
  generation_ = generation;
  remote_.start_generation();
  const net::IceCredentials own = agent_->start(generation, controlling_);
  sink_.send_control(proto::ControlIceCredentials{generation, own.ufrag, own.password});
}

void IceControl::stop() {
  retry_at_ = base::kNever;
  pair_.reset();
  failure_.reset();
  schedule_.reset();
  remote_.start_generation();
  if (agent_) sink_.retire_ice(std::exchange(agent_, nullptr));
}

bool IceControl::on_candidate(std::uint32_t generation, const proto::Candidate& local) {
  if (!agent_ || generation != generation_) return false;
  sink_.on_ice_candidate_seen("local", generation, local, "gathered", {});
  sink_.send_control(proto::ControlCandidate{generation, local});
  sink_.on_ice_candidate_seen("local", generation, local, "sent", {});
  return true;
}

bool IceControl::on_gathering_done(std::uint32_t generation) {
  if (!agent_ || generation != generation_) return false;
  log::debug("ice", "gathering done", {{"peer", peer_}, {"generation", generation}});
  sink_.send_control(proto::ControlCandidatesDone{generation});
  return true;
}

bool IceControl::on_connected(std::uint32_t generation, const net::IcePair& pair) {
  if (!agent_ || generation != generation_) return false;
  log::debug("ice", "connected",
             {{"peer", peer_},
              {"generation", generation},
              {"local", pair.local.text()},
              {"remote", pair.remote.text()}});
  pair_ = pair;
  failure_.reset();
  retry_at_ = base::kNever;
  sink_.on_ice_candidate_seen("local", generation, pair.local, "selected", {});
  sink_.on_ice_candidate_seen("remote", generation, pair.remote, "selected", {});
  return true;
}

bool IceControl::on_failed(std::uint32_t generation, net::IceFailure failure, base::TimePoint now) {
  if (!agent_ || generation != generation_) return false;
  log::debug("ice", "failed",
             {{"peer", peer_},
              {"generation", generation},
              {"failure", failure == net::IceFailure::no_candidates   ? "no_candidates"
                          : failure == net::IceFailure::checks_failed ? "checks_failed"
                                                                      : "agent_error"}});
  failure_ = failure;
  failed_remote_ = remote_.accepted();
  restart_later("failed", now);
  return true;
}

base::Result<> IceControl::receive(const proto::ControlIceCredentials& credentials, base::TimePoint now) {
  const std::uint32_t newest = std::max(generation_, remote_generation_);
  if (credentials.generation > newest && credentials.generation - newest > kMaxGenerationJump) {
    return proto::frame_error(proto::FrameError::bad_value, "ICE generation far ahead");
  }
  if (credentials.generation <= remote_generation_) {
    return proto::frame_error(proto::FrameError::bad_value, "ICE generation repeated");
  }
  remote_generation_ = credentials.generation;
  if (!agent_) return {};
  if (credentials.generation < generation_) {
    log::debug("ice", "older proposal ignored",
               {{"peer", peer_}, {"generation", credentials.generation}, {"ours", generation_}});
    return {};
  }
  if (credentials.generation > generation_) {
    if (now - joins_since_ >= kJoinWindow) {
      joins_since_ = now;
      joins_ = 0;
    }
    if (++joins_ > kMaxJoins) {
      return proto::frame_error(proto::FrameError::bad_value, "ICE restarts without end");
    }
    propose(credentials.generation, "proposed by the peer");
  }
  agent_->set_remote_credentials(generation_, {credentials.ufrag, credentials.password});
  return {};
}

void IceControl::receive(const proto::ControlCandidate& message) {
  sink_.on_ice_candidate_seen("remote", message.generation, message.candidate, "received", {});
  if (!agent_ || message.generation != generation_ || remote_generation_ != generation_) {
    log::debug("ice", "candidate ignored",
               {{"peer", peer_}, {"generation", message.generation}, {"ours", generation_}});
    return;
  }
  const proto::RemoteCandidates::Verdict verdict = remote_.offer(message.candidate);
  const bool accepted = verdict.refusal == proto::CandidateRefusal::none;
  sink_.on_ice_candidate_seen("remote", generation_, verdict.candidate, accepted ? "accepted" : "refused",
                              accepted ? std::string_view{} : proto::to_string(verdict.refusal));
  if (!accepted) return;
  compare_with_failed(verdict.candidate);
  agent_->add_remote_candidate(generation_, verdict.candidate);
}

// The other end's network is another one than when the last try failed: why that failed says nothing any
// more. Its tries in the same network, which come by the schedule, leave the reason as it is.
void IceControl::compare_with_failed(const proto::Candidate& candidate) {
  if (!failure_) return;
  const auto same = [&candidate](const proto::Candidate& one) {
    return one.type == candidate.type && one.endpoint.same_address(candidate.endpoint);
  };
  if (std::ranges::any_of(failed_remote_, same)) return;
  log::debug("ice", "the peer's network is another one", {{"peer", peer_}, {"candidate", candidate.text()}});
  failure_.reset();
}

void IceControl::receive(const proto::ControlCandidatesDone& done) {
  if (agent_ && done.generation == generation_ && remote_generation_ == generation_) {
    // Fewer kinds of addresses than before, such as no reflexive one: another network, too.
    const auto missing = [this](const proto::Candidate& failed) {
      return std::ranges::none_of(remote_.accepted(), [&failed](const proto::Candidate& one) {
        return one.type == failed.type && one.endpoint.v6 == failed.endpoint.v6;
      });
    };
    if (std::ranges::any_of(failed_remote_, missing)) failure_.reset();
    agent_->remote_candidates_done(generation_);
  }
}

net::SendOutcome IceControl::send(base::ByteView datagram) {
  return agent_ ? agent_->send(datagram) : net::SendOutcome::no_path;
}

net::SendOutcome IceControl::send_batch(base::ByteView datagrams, std::size_t size) {
  return agent_ ? agent_->send_batch(datagrams, size) : net::SendOutcome::no_path;
}

}  // namespace p2pd::peer
