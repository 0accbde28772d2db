// The files that wait for the peer, whatever connection there is.
#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "peer/peer_impl.hpp"

namespace p2pd::peer {

OutgoingFiles::iterator Peer::Impl::find_file(const proto::TransferId& id) {
  return std::find_if(files_.begin(), files_.end(),
                      [&](const OutgoingFile& file) { return file.offer.id == id; });
}

void Peer::Impl::send_file(OutgoingFile file) {
  if (shut_down_) return;
  P2PD_ASSERT(config_.files != nullptr);
  const Turn turn(*this);
  const auto found = find_file(file.offer.id);
  const bool dials = file.source != nullptr;
  if (found == files_.end()) {
    files_.push_back(std::move(file));
    if (current_ != nullptr) current_->on_files_changed();
  } else {
    const proto::TransferId id = file.offer.id;
    *found = std::move(file);
    if (current_ != nullptr) current_->restart_file(id);
  }
  if (dials) apply(MessageWaits{});
}

void Peer::Impl::cancel_incoming_file(const proto::TransferId& id) {
  if (shut_down_) return;
  const Turn turn(*this);
  if (current_ != nullptr) current_->cancel_incoming_file(id);
}

void Peer::Impl::on_file_delivered(const proto::TransferId& id, const std::string& name) {
  const auto found = find_file(id);
  if (found == files_.end()) return;
  files_.erase(found);
  config_.files->delivered(config_.peer, id, name);
}

void Peer::Impl::on_file_refused(const proto::TransferId& id, proto::FileRefusal reason) {
  const auto found = find_file(id);
  if (found == files_.end()) return;
  files_.erase(found);
  config_.files->refused(config_.peer, id, reason);
}

// The peer is to forget what it has of it.
void Peer::Impl::on_file_failed(const proto::TransferId& id, proto::FileWithdrawal reason) {
  const auto found = find_file(id);
  if (found == files_.end()) return;
  found->source.reset();
  found->withdrawal = reason;
  config_.files->failed(config_.peer, id, reason);
}

}  // namespace p2pd::peer
