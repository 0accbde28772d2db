#include "tests/sim/streams.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace p2pd::sim {

using namespace std::chrono_literals;
using proto::ServiceRefusal;

Streams::Streams(World& world, Node& a, Node& b, std::uint64_t seed)
    : random(seed), world_(world), a_(a), b_(b), host_a_(*this, a), host_b_(*this, b) {
  a_.services = &host_a_;
  b_.services = &host_b_;
  a_.on_kill = [this] { on_kill(a_); };
  b_.on_kill = [this] { on_kill(b_); };
}

StreamProgram::Plan Streams::plan() {
  StreamProgram::Plan plan;
  plan.size = random.chance(0.6) ? random.between(0, 2'000) : random.between(2'000, 50'000);
  if (!big_ && random.chance(0.02)) {
    big_ = true;
    plan.size = random.between(300'000, 900'000);
  }
  plan.chunk = std::max<std::uint64_t>(1, plan.size / random.between(1, 12));
  // Some go on while paths come and go.
  if (random.chance(0.4)) plan.pace = random.between(1ms, 400ms);
  if (random.chance(0.3)) {
    plan.pauses_at = random.chance(0.5) ? 0 : random.between(0, 20'000);
    plan.pause = random.between(1ms, 5s);
    plan.stops = random.chance(0.1);
  }
  if (random.chance(0.1)) {
    plan.gives_up = random.between(0ms, 2s);
    plan.code = random.chance(0.3) ? net::CloseCode::refused : net::CloseCode::cancelled;
  }
  return plan;
}

void Streams::open(bool connection_lasts) {
  const bool from_a = random.chance(0.5);
  Node& from = from_a ? a_ : b_;
  Node& to = from_a ? b_ : a_;
  const std::size_t number = talks_.size();
  Talk talk;
  talk.opener = std::make_shared<StreamProgram>(world_, from, 2 * number, plan());
  talk.answerers.push_back(std::make_shared<StreamProgram>(world_, to, 2 * number + 1, plan()));
  talk.opener->meet(*talk.answerers[0]);
  talk.answerers[0]->meet(*talk.opener);
  if (random.chance(0.08)) talk.refusal = static_cast<ServiceRefusal>(random.between(1, 4));
  talk.connection_lasts = connection_lasts;
  if (!from.running()) return;
  talks_.push_back(talk);
  from.peer().open_service(fmt::format("talk-{}", number), talk.opener);
}

void Streams::Host::opened(const base::PeerId&, const std::string& service, Answer answer) {
  const auto number = static_cast<std::size_t>(std::strtoul(service.c_str() + 5, nullptr, 10));
  if (number >= streams_.talks_.size() || service != fmt::format("talk-{}", number)) {
    return streams_.world_.fail("a stream to an unknown service: " + service);
  }
  Talk& talk = streams_.talks_[number];
  if (&talk.opener->node() == &node_) return streams_.world_.fail("a stream came back to its opener");
  if (std::exchange(talk.asked, true)) {
    // Its connection was replaced before the answer came.
    if (talk.opener->opened())
      return streams_.world_.fail("an open stream was asked for again:" + talk.text());
    auto next = std::make_shared<StreamProgram>(streams_.world_, node_, 2 * number + 1, streams_.plan());
    next->meet(*talk.opener);
    talk.opener->meet(*next);
    talk.answerers.push_back(std::move(next));
  }
  const base::Duration delay = streams_.random.between(0ms, 50ms);
  node_.later(delay, [answer = std::move(answer), program = talk.answerers.back(), refusal = talk.refusal] {
    if (refusal) {
      static_cast<void>(answer(*refusal));
    } else {
      program->accept(answer);
    }
  });
}

void Streams::on_kill(const Node& node) {
  for (const Talk& talk : talks_) {
    if (&talk.opener->node() == &node) {
      talk.opener->die();
      continue;
    }
    for (const auto& answerer : talk.answerers) {
      if (answerer->opened()) answerer->die();
    }
  }
}

bool Streams::Talk::settled() const {
  return opener->settled() && std::all_of(answerers.begin(), answerers.end(), [](const auto& answerer) {
           return answerer->settled() || !answerer->opened();
         });
}

std::string Streams::Talk::wrong() const {
  std::string wrong = opener->wrong_ending(refusal, connection_lasts);
  for (const auto& answerer : answerers) {
    if (!wrong.empty()) break;
    if (answerer == answerers.back()) {
      wrong = answerer->wrong_ending(refusal, connection_lasts);
    } else if (answerer->over() && !answerer->lost_connection()) {
      wrong = "that began again had another end:" + answerer->text();
    }
  }
  return wrong.empty() ? "" : "a stream " + wrong + text();
}

std::string Streams::Talk::text() const {
  std::string out = opener->text();
  for (const auto& answerer : answerers) out += answerer->text();
  return out;
}

bool Streams::settled() const {
  return std::all_of(talks_.begin(), talks_.end(), [](const Talk& talk) { return talk.settled(); });
}

std::string Streams::wrong() const {
  for (const Talk& talk : talks_) {
    std::string wrong = talk.wrong();
    if (!wrong.empty()) return wrong;
  }
  return {};
}

std::string Streams::unsettled() const {
  for (const Talk& talk : talks_) {
    if (!talk.settled()) return talk.text();
  }
  return {};
}

}  // namespace p2pd::sim
