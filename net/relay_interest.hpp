// Whose presence the relay was asked for in this session, and the frames that bring it up to date. Pure.
#pragma once

#include <set>
#include <vector>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"

namespace p2pd::net {

class RelayInterestList {
 public:
  // The frames to send, none when nothing changed. Of `peers` no more than `limit` are told, the first ones.
  [[nodiscard]] std::vector<base::Bytes> update(const std::vector<base::PeerId>& peers, std::size_t limit);
  // A fresh session has been told nothing.
  void forget() { told_.clear(); }
  [[nodiscard]] std::size_t told() const { return told_.size(); }

 private:
  std::set<base::PeerId> told_;
};

}  // namespace p2pd::net
