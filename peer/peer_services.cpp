// Streams to services of the peer that wait until there is a connection.
#include <algorithm>
#include <utility>

#include "peer/peer_impl.hpp"

namespace p2pd::peer {

void Peer::Impl::open_service(const std::string& service, std::shared_ptr<StreamEnd> end) {
  if (shut_down_) return end->on_over(StreamEnding::stopping);
  const Turn turn(*this);
  if (opens_.size() >= ServiceChannel::kMaxStreams) return end->on_over(StreamEnding::busy);
  opens_.push_back({service, std::move(end)});
  if (current_ == nullptr) apply(MessageWaits{});
  again_ = true;
}

// Those were asked before any that waits now. A session that is replaced tells this while the other is
// adopted, or before it is lost here, which looks at the demand.
void Peer::Impl::on_service_again(const std::string& service, const std::shared_ptr<StreamEnd>& end) {
  if (shut_down_) return end->on_over(StreamEnding::stopping);
  opens_.push_back({service, end});
  again_ = true;
}

bool Peer::Impl::abandon_service(const StreamEnd& end) {
  return std::erase_if(opens_, [&](const ServiceOpen& open) { return open.end.get() == &end; }) > 0;
}

void Peer::Impl::start_services() {
  if (opens_.empty() || current_ == nullptr || !current_->usable()) return;
  for (const ServiceOpen& open : std::exchange(opens_, {})) current_->open_service(open.service, open.end);
}

void Peer::Impl::fail_services(StreamEnding ending) {
  for (const ServiceOpen& open : std::exchange(opens_, {})) open.end->on_over(ending);
}

}  // namespace p2pd::peer
