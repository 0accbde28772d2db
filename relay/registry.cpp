#include "relay/registry.hpp"

#include <algorithm>
#include <iterator>

namespace p2pd::relay {
namespace {

using base::PeerId;
using proto::RelayPresenceState;

bool has(const std::vector<PeerId>& sorted, const PeerId& id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

std::vector<PeerId> sorted_set(std::span<const PeerId> peers) {
  std::vector<PeerId> out(peers.begin(), peers.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

void Registry::add(const PeerId& id, RegisteredClient& client) {
  Entry& entry = entries_[id];
  RegisteredClient* const older = entry.client;
  const std::vector<PeerId> interest = std::move(entry.interest);
  entry = Entry{&client, {}};
  std::vector<Notice> notices;
  collect_gone(id, interest, notices);
  if (older != nullptr) older->on_superseded();
  tell(notices);
}

void Registry::remove(const PeerId& id, const RegisteredClient& client) {
  Entry* const entry = entry_of(id, client);
  if (entry == nullptr) return;
  const std::vector<PeerId> interest = std::move(entry->interest);
  entries_.erase(id);
  std::vector<Notice> notices;
  collect_gone(id, interest, notices);
  tell(notices);
}

RegisteredClient* Registry::find(const PeerId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.client;
}

bool Registry::set_interest(const PeerId& id, const RegisteredClient& client, proto::RelayInterestOp op,
                            std::span<const PeerId> peers) {
  Entry* const entry = entry_of(id, client);
  if (entry == nullptr) return true;
  const std::vector<PeerId> named = sorted_set(peers);
  const std::vector<PeerId>& old = entry->interest;
  std::vector<PeerId> now;
  switch (op) {
    case proto::RelayInterestOp::replace:
      now = named;
      break;
    case proto::RelayInterestOp::add:
      std::set_union(old.begin(), old.end(), named.begin(), named.end(), std::back_inserter(now));
      break;
    case proto::RelayInterestOp::remove:
      std::set_difference(old.begin(), old.end(), named.begin(), named.end(), std::back_inserter(now));
      break;
  }
  if (now.size() > max_interest_) return false;
  now.shrink_to_fit();

  std::vector<PeerId> lost;
  std::vector<PeerId> gained;
  std::set_difference(old.begin(), old.end(), now.begin(), now.end(), std::back_inserter(lost));
  std::set_difference(now.begin(), now.end(), old.begin(), old.end(), std::back_inserter(gained));
  entry->interest = std::move(now);

  std::vector<Notice> notices;
  collect_gone(id, lost, notices);
  for (const PeerId& peer : gained) {
    const auto other = entries_.find(peer);
    if (peer == id || other == entries_.end() || !has(other->second.interest, id)) continue;
    notices.push_back({entry->client, peer, RelayPresenceState::here});
    notices.push_back({other->second.client, id, RelayPresenceState::here});
  }
  tell(notices);
  return true;
}

Registry::Entry* Registry::entry_of(const PeerId& id, const RegisteredClient& client) {
  const auto found = entries_.find(id);
  return found == entries_.end() || found->second.client != &client ? nullptr : &found->second;
}

void Registry::collect_gone(const PeerId& id, std::span<const PeerId> seen_by, std::vector<Notice>& notices) {
  for (const PeerId& peer : seen_by) {
    const auto other = entries_.find(peer);
    if (peer == id || other == entries_.end() || !has(other->second.interest, id)) continue;
    notices.push_back({other->second.client, id, RelayPresenceState::gone});
  }
}

void Registry::tell(const std::vector<Notice>& notices) {
  for (const Notice& notice : notices) notice.to->on_presence(notice.peer, notice.state);
}

}  // namespace p2pd::relay
