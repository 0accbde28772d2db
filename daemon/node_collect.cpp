// Node: the state of the peers, asked of the threads they live on.
#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/post.hpp>

#include "daemon/node.hpp"

namespace p2pd::daemon {
namespace {

// How far the times in a state may lag behind.
constexpr auto kTimesHold = std::chrono::milliseconds(100);

}  // namespace

bool Node::still_holds(const Collected& collected) const {
  if (base::Clock::now() - collected.asked > kTimesHold) return false;
  return std::equal(planes_.begin(), planes_.end(), collected.turns.begin(), collected.turns.end(),
                    [](const auto& plane, std::uint64_t turns) { return plane->turns() == turns; });
}

void Node::collect(std::optional<base::PeerId> peer, std::function<void(const PeerStatuses&)> done) {
  if (peer) return collect_from({&plane_of(*peer)}, peer, std::move(done));
  if (collected_ && still_holds(*collected_)) {
    boost::asio::post(io_, [collected = collected_, done = std::move(done)] { done(collected->statuses); });
    return;
  }
  auto collected = std::make_shared<Collected>();
  collected->asked = base::Clock::now();
  std::vector<DataPlane*> planes;
  for (const auto& plane : planes_) {
    planes.push_back(plane.get());
    // To be asked is a turn and to answer is one: with any other between, what they say may not hold.
    collected->turns.push_back(plane->turns() + 2);
  }
  collect_from(planes, std::nullopt, [this, collected, done = std::move(done)](PeerStatuses statuses) {
    collected->statuses = std::move(statuses);
    collected_ = collected;
    done(collected->statuses);
  });
}

void Node::collect_from(const std::vector<DataPlane*>& planes, std::optional<base::PeerId> peer,
                        std::function<void(PeerStatuses)> done) {
  // Counted down on the control thread only.
  struct Gathering {
    PeerStatuses statuses;
    std::size_t missing = 0;
    std::function<void(PeerStatuses)> done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  gathering->missing = planes.size();
  for (DataPlane* plane : planes) {
    plane->post([this, peer, gathering](DataPlane& here) {
      PeerStatuses found;
      here.for_each([&](const base::PeerId& id, PeerNode& node) {
        if (!peer || id == *peer) found.emplace_back(id, node.peer().status());
      });
      boost::asio::post(io_, [gathering, found = std::move(found)]() mutable {
        std::move(found.begin(), found.end(), std::back_inserter(gathering->statuses));
        if (--gathering->missing > 0) return;
        std::sort(gathering->statuses.begin(), gathering->statuses.end(),
                  [](const auto& a, const auto& b) { return a.first < b.first; });
        gathering->done(std::move(gathering->statuses));
      });
    });
  }
}

}  // namespace p2pd::daemon
