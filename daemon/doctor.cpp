#include "daemon/doctor.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "base/random.hpp"
#include "daemon/diagnosis.hpp"
#include "daemon/net_json.hpp"
#include "daemon/node.hpp"

namespace p2pd::daemon {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using base::PeerId;
using nlohmann::json;
using peer::WhyNotDirect;
using proto::ReportedCandidate;

constexpr auto kOwnAge = std::chrono::seconds(30);
constexpr auto kAnswerAge = std::chrono::seconds(60);
constexpr auto kExamination = std::chrono::seconds(15);  // without being asked
constexpr auto kAnswerWindow = std::chrono::seconds(10);
constexpr int kMaxAnswers = 10;  // to one peer in that time

std::string clipped(std::string text) {
  text.resize(std::min(text.size(), proto::kMaxReportedText));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  return text;
}

// The latest ones of the latest attempt.
std::vector<ReportedCandidate> candidates_of(const std::vector<store::AttemptRow>& attempts) {
  std::vector<ReportedCandidate> out;
  if (attempts.empty()) return out;
  const auto& rows = attempts.front().candidates;
  const std::size_t count = std::min(rows.size(), proto::kMaxReportedCandidates);
  out.reserve(count);
  for (auto row = rows.end() - static_cast<std::ptrdiff_t>(count); row != rows.end(); ++row) {
    out.push_back({row->side == "local", clipped(row->type), clipped(row->address), clipped(row->state),
                   clipped(row->reason)});
  }
  return out;
}

json candidates_json(const std::vector<ReportedCandidate>& candidates) {
  json out = json::array();
  for (const ReportedCandidate& one : candidates) {
    out.push_back({{"side", one.local ? "local" : "remote"},
                   {"type", one.type},
                   {"address", one.address},
                   {"state", one.state},
                   {"reason", one.reason.empty() ? json() : json(one.reason)}});
  }
  return out;
}

json side_json(const proto::NetReport& report, const std::vector<ReportedCandidate>& candidates) {
  json out = to_json(report);
  out["candidates"] = candidates_json(candidates);
  return out;
}

}  // namespace

struct Doctor::Visit {
  Visit(asio::io_context& io, base::Duration timeout) : over(io, timeout) {}

  // One of the two answers came, or will not come.
  void less() {
    if (--missing == 0) over.cancel();
  }

  std::uint64_t id = base::random_u64();
  PeerId peer;
  Done done;
  asio::steady_timer over;
  int missing = 2;
  bool awaited = true;  // the peer's word
  NetChecker::ResultPtr here;
  std::optional<proto::ControlNetReport> there;
  peer::PeerStatus status;
  std::vector<ReportedCandidate> candidates;
};

void Doctor::examine(const PeerId& peer, base::Duration timeout, Done done) {
  auto visit = std::make_shared<Visit>(node_.io(), timeout);
  visit->peer = peer;
  visit->done = std::move(done);
  visits_.emplace(visit->id, visit);
  node_.net().check(kOwnAge, [visit](const NetChecker::ResultPtr& result) {
    visit->here = result;
    visit->less();
  });
  node_.with_peer(peer, [this, visit, id = visit->id](PeerNode& node) {
    if (node.peer().ask_net(id)) return;
    asio::post(node_.io(), [visit] {
      if (std::exchange(visit->awaited, false)) visit->less();
    });
  });
  tasks_.spawn("doctor", wait(std::move(visit)));
}

asio::awaitable<void> Doctor::wait(VisitPtr visit) {
  if (visit->missing > 0) co_await visit->over.async_wait(asio::as_tuple(asio::use_awaitable));
  visits_.erase(visit->id);
  look_up(visit);
}

void Doctor::look_up(const VisitPtr& visit) {
  node_.collect(visit->peer, [this, visit](Node::PeerStatuses statuses) {
    if (!statuses.empty()) visit->status = std::move(statuses.front().second);
    node_.store().list_history(visit->peer, 1, node_.post_here(),
                               [this, visit](base::Result<std::vector<store::AttemptRow>> rows) {
                                 if (rows) visit->candidates = candidates_of(*rows);
                                 conclude(*visit);
                               });
  });
}

void Doctor::conclude(const Visit& visit) {
  const KnownPeer* known = node_.book().find(visit.peer);
  const peer::PeerStatus& status = visit.status;
  DiagnosisFacts facts;
  facts.peer = known == nullptr ? visit.peer.brief() : known->name;
  facts.connected = status.state == peer::PeerState::established;
  facts.relay_online = node_.relays().online();
  facts.last_error = facts.relay_online ? status.last_error : node_.relays().trouble();
  facts.path = status.path;
  facts.why = status.why_not_direct;
  facts.peer_direct = known == nullptr || known->direct;
  if (visit.here) facts.here = visit.here->report();
  if (visit.there) facts.there = visit.there->report;
  const Diagnosis diagnosis = diagnose(facts);
  if (facts.connected) keep(visit.peer, facts.why, diagnosis.why);
  visit.done(
      {{"peer", visit.peer.text()},
       {"name", facts.peer},
       {"state", to_string(status.state)},
       {"path", status.path ? json(to_string(*status.path)) : json()},
       {"why_not_direct", diagnosis.why == WhyNotDirect::none ? json() : json(to_string(diagnosis.why))},
       {"verdict", diagnosis.verdict},
       {"advice", diagnosis.advice},
       {"here", side_json(facts.here, visit.candidates)},
       {"there", visit.there ? side_json(visit.there->report, visit.there->candidates) : json()}});
}

void Doctor::on_why_not_direct(const PeerId& peer, WhyNotDirect why) {
  if (node_.book().find(peer) == nullptr) return;
  reasons_[peer] = {why, why};
  publish(peer, why);
  // Behind these two there may be something more exact (refine()).
  if (why == WhyNotDirect::checks_failed || why == WhyNotDirect::no_candidates)
    examine(peer, kExamination, [](const json&) {});
}

void Doctor::keep(const PeerId& peer, WhyNotDirect told, WhyNotDirect found) {
  const auto known = reasons_.find(peer);
  if (known == reasons_.end() || known->second.told != told || known->second.exact == found) return;
  known->second.exact = found;
  publish(peer, found);
}

void Doctor::publish(const PeerId& peer, WhyNotDirect why) {
  log::debug("peer", "why not direct", {{"peer", peer}, {"why", to_string(why)}});
  const json word = why == WhyNotDirect::none ? json() : json(to_string(why));
  node_.events().publish("peer", "why_not_direct",
                         {{"id", peer.text()}, {"name", node_.name_of(peer)}, {"why_not_direct", word}},
                         peer.text());
}

WhyNotDirect Doctor::refined(const PeerId& peer, WhyNotDirect why) const {
  const auto found = reasons_.find(peer);
  return found == reasons_.end() || found->second.told != why ? why : found->second.exact;
}

void Doctor::on_net_report(const PeerId& peer, const proto::ControlNetReport& report) {
  const auto found = visits_.find(report.id);
  if (found == visits_.end() || found->second->peer != peer) return;
  const VisitPtr visit = found->second;
  if (!std::exchange(visit->awaited, false)) return;
  visit->there = report;
  visit->less();
}

void Doctor::on_net_question(const PeerId& peer, std::uint64_t id) {
  const base::TimePoint now = base::Clock::now();
  std::erase_if(answered_, [now](const auto& entry) { return now - entry.second.since >= kAnswerWindow; });
  if (node_.book().find(peer) == nullptr) return;
  Answered& answered = answered_.try_emplace(peer, Answered{now, 0}).first->second;
  if (++answered.count > kMaxAnswers) return;
  node_.collect(peer, [this, peer, id](const Node::PeerStatuses& statuses) {
    if (!statuses.empty()) answer(peer, id, statuses.front().second);
  });
}

void Doctor::answer(const PeerId& peer, std::uint64_t id, const peer::PeerStatus& status) {
  const auto tell = [this, peer](proto::ControlNetReport report) {
    node_.with_peer(peer, [report = std::move(report)](PeerNode& node) { node.peer().answer_net(report); });
  };
  const KnownPeer* known = node_.book().find(peer);
  if (known == nullptr) return;
  if (!node_.options().direct || !known->direct || status.why_not_direct == WhyNotDirect::disabled) {
    proto::ControlNetReport silent;
    silent.id = id;
    silent.report.direct = false;
    return tell(silent);
  }
  node_.net().check(kAnswerAge, [this, peer, id, tell](const NetChecker::ResultPtr& result) {
    node_.store().list_history(peer, 1, node_.post_here(),
                               [tell, id, result](base::Result<std::vector<store::AttemptRow>> rows) {
                                 proto::ControlNetReport report{id, result->report(), {}};
                                 if (rows && report.report.direct) report.candidates = candidates_of(*rows);
                                 tell(std::move(report));
                               });
  });
}

}  // namespace p2pd::daemon
