#include "daemon/peer_board.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/random.hpp"

namespace p2pd::daemon {
namespace {

using base::PeerId;
using nlohmann::json;

std::chrono::milliseconds to_whole_ms(base::Duration duration) {
  return std::chrono::round<std::chrono::milliseconds>(duration);
}

std::optional<std::int64_t> to_us(const std::optional<base::Duration>& duration) {
  if (!duration) return std::nullopt;
  return std::chrono::round<std::chrono::microseconds>(*duration).count();
}

store::QualityRow stored_quality(const peer::PeerQuality& quality) {
  store::QualityRow out;
  out.rtt_us = to_us(quality.rtt);
  out.jitter_us = to_us(quality.jitter);
  out.delivery_rate = quality.delivery_rate;
  out.packets_sent = quality.packets_sent;
  out.packets_lost = quality.packets_lost;
  out.switches = quality.switches;
  for (std::size_t i = 0; i < peer::kPathKinds; ++i) {
    out.bytes_tx[i] = quality.bytes[i].tx;
    out.bytes_rx[i] = quality.bytes[i].rx;
    out.time_ms[i] = to_whole_ms(quality.time[i]).count();
  }
  return out;
}

}  // namespace

PeerBoard::PeerBoard(const AddressBook& book, store::Store& store, ipc::EventHub& events,
                     HintsChanged hints_changed)
    : book_(book), store_(store), events_(events), hints_changed_(std::move(hints_changed)) {}

PeerBoard::WatchId PeerBoard::watch(const PeerId& peer, std::function<void()> changed) {
  const WatchId id{++last_watch_};
  watches_.emplace(id, Watch{peer, std::move(changed)});
  return id;
}

void PeerBoard::unwatch(WatchId id) { watches_.erase(id); }

std::uint64_t PeerBoard::waiting(const PeerId& peer) const {
  const auto found = waiting_.find(peer);
  return found == waiting_.end() ? 0 : found->second;
}

void PeerBoard::took(const PeerId& peer, std::uint64_t messages) {
  std::uint64_t& count = waiting_[peer];
  count -= std::min(count, messages);
}

void PeerBoard::messages_delivered(const PeerId& peer, const std::vector<store::OutboxRef>& messages) {
  took(peer, messages.size());
  if (events_.idle()) return;
  for (const auto& message : messages) {
    events_.publish("message", "delivered",
                    {{"id", message.id},
                     {"sequence", message.sequence},
                     {"up_to", message.sequence},
                     {"peer", peer.text()},
                     {"name", name_of(peer)}},
                    peer.text());
  }
}

void PeerBoard::messages_received(const PeerId& peer, const store::InboxCommit& commit) {
  if (commit.stored == 0 || events_.idle()) return;
  events_.publish("message", "received",
                  {{"peer", peer.text()},
                   {"name", name_of(peer)},
                   {"count", commit.stored},
                   {"cursor", commit.last_cursor},
                   {"up_to", commit.high_water}},
                  peer.text());
}

void PeerBoard::forget(const PeerId& peer) {
  attempts_.erase(peer);
  waiting_.erase(peer);
  wake(peer);
}

void PeerBoard::on_state_changed(const PeerId& peer, std::string_view state, std::string_view reason) {
  // A dial begins an attempt, as does a connection that the other end made; idle and backoff end one.
  if (state == "dialing") {
    finish_attempt(peer, "redialled");
    attempt(peer);
  } else if (state == "established") {
    attempt(peer);
  } else {
    finish_attempt(peer, reason);
  }
  events_.publish("peer", "state",
                  {{"id", peer.text()}, {"name", name_of(peer)}, {"state", state}, {"reason", reason}},
                  peer.text());
  wake(peer);
}

void PeerBoard::on_path_changed(const PeerId& peer, peer::PathKind from, peer::PathKind to,
                                peer::WhyNotDirect why, std::string_view reason) {
  const std::string why_text = why == peer::WhyNotDirect::none ? "" : std::string(to_string(why));
  store_.add_path(attempt(peer).id, {base::wall_now(), std::string(to_string(from)),
                                     std::string(to_string(to)), why_text, std::string(reason), "", ""});
  // A path that flaps is told as the latest, from what was told before.
  events_.publish_latest("peer", "path",
                         {{"id", peer.text()},
                          {"name", name_of(peer)},
                          {"from", to_string(from)},
                          {"to", to_string(to)},
                          {"why_not_direct", why_text.empty() ? json() : json(why_text)},
                          {"reason", reason}},
                         peer.text(), "from");
  wake(peer);
}

void PeerBoard::on_established(const PeerId& peer, base::Duration to_relay) {
  Attempt& now = attempt(peer);
  now.established = true;
  store::AttemptChange change;
  change.to_relay = to_whole_ms(to_relay);
  store_.update_attempt(now.id, change);
  wake(peer);
}

void PeerBoard::on_direct(const PeerId& peer, peer::PathKind kind, base::Duration since_dial,
                          const net::IcePair& pair) {
  Attempt& now = attempt(peer);
  const std::uint64_t id = now.id;
  // The time of the first climb; later ones are in the paths.
  if (!std::exchange(now.direct, true)) {
    store::AttemptChange change;
    change.to_direct = to_whole_ms(since_dial);
    store_.update_attempt(id, change);
  }
  store_.add_path(id, {base::wall_now(), "", std::string(to_string(kind)), "", "pair selected",
                       pair.local.text(), pair.remote.text()});
  if (kind == peer::PathKind::direct) {
    store_.set_worked(
        {peer, pair.local_base().address_text(), pair.local.text(), pair.remote.text(), base::wall_now()});
  }
  wake(peer);
}

void PeerBoard::on_candidate(const PeerId& peer, std::string_view side, std::uint32_t generation,
                             const proto::Candidate& candidate, std::string_view state,
                             std::string_view reason) {
  store_.add_candidate(attempt(peer).id, {std::string(side), generation,
                                          std::string(to_string(candidate.type)), candidate.endpoint.text(),
                                          std::string(state), std::string(reason), base::wall_now()});
  if (events_.idle()) return;
  events_.publish("peer", "candidate",
                  {{"id", peer.text()},
                   {"name", name_of(peer)},
                   {"side", side},
                   {"generation", generation},
                   {"candidate", candidate.text()},
                   {"state", state},
                   {"reason", reason.empty() ? json() : json(reason)}},
                  peer.text());
}

void PeerBoard::on_relay_hints(const PeerId& peer, const std::vector<std::string>& urls) {
  hints_changed_(peer, urls);
}

void PeerBoard::on_quality(const PeerId& peer, const peer::PeerQuality& quality) {
  const auto found = attempts_.find(peer);
  if (found != attempts_.end() && found->second.id != 0)
    store_.set_quality(found->second.id, stored_quality(quality));
}

void PeerBoard::on_why_not_direct(const PeerId& peer, peer::WhyNotDirect why) {
  if (doctor_ != nullptr) doctor_->on_why_not_direct(peer, why);
  wake(peer);
}

void PeerBoard::on_net_question(const PeerId& peer, std::uint64_t id) {
  if (doctor_ != nullptr) doctor_->on_net_question(peer, id);
}

void PeerBoard::on_net_report(const PeerId& peer, const proto::ControlNetReport& report) {
  if (doctor_ != nullptr) doctor_->on_net_report(peer, report);
}

PeerBoard::Attempt& PeerBoard::attempt(const PeerId& peer) {
  Attempt& out = attempts_[peer];
  if (out.id == 0) {
    // SQLite's integers are signed.
    out.id = (base::random_u64() >> 1) | 1;
    store::AttemptRow row;
    row.id = out.id;
    row.peer = peer;
    row.started = base::wall_now();
    store_.begin_attempt(std::move(row));
  }
  return out;
}

void PeerBoard::finish_attempt(const PeerId& peer, std::string_view reason) {
  const auto found = attempts_.find(peer);
  if (found == attempts_.end()) return;
  store_.finish_attempt(found->second.id, found->second.established ? "closed" : "failed",
                        std::string(reason), base::wall_now());
  attempts_.erase(found);
}

void PeerBoard::wake(const PeerId& peer) {
  // A watcher may unwatch, itself or another, while it runs.
  std::vector<WatchId> ids;
  for (const auto& [id, watch] : watches_) {
    if (watch.peer == peer) ids.push_back(id);
  }
  for (const WatchId id : ids) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) continue;
    const auto changed = found->second.changed;
    changed();
  }
  if (any_changed_) any_changed_();
}

std::string PeerBoard::name_of(const PeerId& peer) const {
  const KnownPeer* known = book_.find(peer);
  return known == nullptr ? "" : known->name;
}

}  // namespace p2pd::daemon
