#include "net/relay_interest.hpp"

#include <algorithm>
#include <iterator>

#include "proto/relay_frames.hpp"

namespace p2pd::net {
namespace {

void add_frames(proto::RelayInterestOp op, const std::vector<base::PeerId>& peers,
                std::vector<base::Bytes>& frames) {
  for (std::size_t at = 0; at < peers.size(); at += proto::kRelayMaxInterest) {
    const std::size_t count = std::min(proto::kRelayMaxInterest, peers.size() - at);
    const auto begin = peers.begin() + static_cast<std::ptrdiff_t>(at);
    proto::RelayInterest frame;
    frame.op = op;
    frame.peers.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    frames.push_back(proto::encode(frame));
  }
}

}  // namespace

std::vector<base::Bytes> RelayInterestList::update(const std::vector<base::PeerId>& peers,
                                                   std::size_t limit) {
  std::set<base::PeerId> wanted;
  for (const base::PeerId& peer : peers) {
    if (wanted.size() < limit) wanted.insert(peer);
  }
  std::vector<base::PeerId> removed;
  std::vector<base::PeerId> added;
  std::set_difference(told_.begin(), told_.end(), wanted.begin(), wanted.end(), std::back_inserter(removed));
  std::set_difference(wanted.begin(), wanted.end(), told_.begin(), told_.end(), std::back_inserter(added));
  told_ = std::move(wanted);
  std::vector<base::Bytes> frames;
  // First what goes, so that the relay's limit is never passed on the way.
  add_frames(proto::RelayInterestOp::remove, removed, frames);
  add_frames(proto::RelayInterestOp::add, added, frames);
  return frames;
}

}  // namespace p2pd::net
