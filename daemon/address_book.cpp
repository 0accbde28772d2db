#include "daemon/address_book.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace p2pd::daemon {

using base::PeerId;
using base::Result;

namespace {

constexpr std::size_t kMaxName = 63;
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kNameStart = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName &&
         kNameStart.find(text.front()) != std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return kNameStart.find(c) != std::string_view::npos || c == '.' || c == '_' || c == '-';
         });
}

// So many base32 characters can only be meant as an ID.
bool looks_like_id(std::string_view text) {
  return text.size() == PeerId::kTextSize && text.find_first_not_of(kBase32) == std::string_view::npos;
}

}  // namespace

KnownPeer known_peer(store::PeerRow row) {
  return {row.id,     std::move(row.name), std::move(row.relays),
          row.wanted, row.direct,          row.files == store::FilePolicy::accept};
}

store::PeerRow stored_peer(const KnownPeer& peer) {
  store::PeerRow row;
  row.id = peer.id;
  row.name = peer.name;
  row.relays = peer.relays;
  row.wanted = peer.wanted;
  row.direct = peer.direct;
  row.files = peer.accept_files ? store::FilePolicy::accept : store::FilePolicy::refuse;
  row.added = base::wall_now();
  return row;
}

Result<const KnownPeer*> AddressBook::find(std::string_view query) const {
  for (const auto& [id, peer] : peers_) {
    if (peer.name == query) return &peer;
  }
  if (query.size() >= PeerId::kTextSize) {
    const auto id = PeerId::parse(query);
    if (!id) return make_error(ErrorCode::invalid_id, id.error().context);
    if (auto ok = check_id(*id); !ok) return ok.error();
    if (const KnownPeer* peer = find(*id)) return peer;
  } else if (!query.empty() && query.find_first_not_of(kBase32) == std::string_view::npos) {
    const KnownPeer* found = nullptr;
    for (const auto& [id, peer] : peers_) {
      if (!id.text().starts_with(query)) continue;
      if (found != nullptr) {
        return make_error(ErrorCode::ambiguous_peer,
                          fmt::format("'{}' begins the IDs of {} and {}; write more of it, or the name",
                                      query, found->name, peer.name));
      }
      found = &peer;
    }
    if (found != nullptr) return found;
    if (self_.text().starts_with(query) && query.size() >= 8) return check_id(self_).error();
  }
  return make_error(
      ErrorCode::unknown_peer,
      fmt::format("no peer is called '{}'; see `p2pctl peer list`, or add it with `p2pctl peer add NAME ID`",
                  query));
}

const KnownPeer* AddressBook::find(const PeerId& id) const {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

Result<void> AddressBook::check_name(std::string_view name, const PeerId& id) const {
  if (looks_like_id(name))
    return make_error(ErrorCode::invalid_name, "a name cannot look like a peer ID; choose a word");
  if (!is_name(name)) {
    return make_error(
        ErrorCode::invalid_name,
        fmt::format("'{}' cannot be a name: use 1 to {} letters, digits, '.', '_' and '-', beginning with a "
                    "letter or digit",
                    name, kMaxName));
  }
  for (const auto& [other, peer] : peers_) {
    if (peer.name == name && other != id) {
      return make_error(
          ErrorCode::name_taken,
          fmt::format("'{}' is the name of another peer ({}); choose another, or remove that one first", name,
                      other.brief()));
    }
  }
  return {};
}

std::string AddressBook::free_name(const std::string& wanted, const PeerId& id) const {
  std::string name = wanted;
  for (int number = 2; !check_name(name, id); ++number) {
    const std::string suffix = fmt::format("-{}", number);
    name = wanted.substr(0, kMaxName - suffix.size()) + suffix;
  }
  return name;
}

Result<void> AddressBook::check_id(const PeerId& id) const {
  if (id == self_) {
    return make_error(ErrorCode::own_id,
                      "this is this machine's own ID; use the other machine's (`p2pctl id` there)");
  }
  return {};
}

void AddressBook::put(KnownPeer peer) {
  const PeerId id = peer.id;
  peers_.insert_or_assign(id, std::move(peer));
}

void AddressBook::set_wanted(const PeerId& id, bool wanted) {
  if (const auto found = peers_.find(id); found != peers_.end()) found->second.wanted = wanted;
}

}  // namespace p2pd::daemon
