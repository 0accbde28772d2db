#include "daemon/message_intake.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/random.hpp"
#include "daemon/node.hpp"
#include "daemon/rpc.hpp"

namespace p2pd::daemon {
namespace {

constexpr std::size_t kTimeBytes = 6;
constexpr std::size_t kRandomPart = 10;
// The system gives 256 in one call.
constexpr std::size_t kRandomBytes = 250;

}  // namespace

std::string MessageIntake::new_id(base::WallTime now) {
  if (random_.empty()) {
    random_.resize(kRandomBytes);
    base::fill_random(random_);
  }
  const auto time = static_cast<std::uint64_t>(now.time_since_epoch().count());
  base::ByteWriter id;
  id.u64(time << (8 * (sizeof time - kTimeBytes)));
  base::Bytes bytes = id.take();
  bytes.resize(kTimeBytes);
  const auto random = base::ByteView(random_).last(kRandomPart);
  bytes.insert(bytes.end(), random.begin(), random.end());
  random_.resize(random_.size() - kRandomPart);
  return base::to_hex(bytes);
}

void MessageIntake::add(const base::PeerId& peer, store::OutboxRow message, bool direct,
                        ipc::Responder responder) {
  if (waiting_.empty()) {
    boost::asio::post(node_.io(), [this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) flush();
    });
  }
  auto batch =
      std::find_if(waiting_.begin(), waiting_.end(), [&peer](const Batch& one) { return one.peer == peer; });
  if (batch == waiting_.end()) {
    waiting_.emplace_back().peer = peer;
    batch = std::prev(waiting_.end());
  }
  batch->direct = batch->direct && direct;
  batch->messages.push_back(std::move(message));
  batch->responders.push_back(std::move(responder));
}

void MessageIntake::flush() {
  for (Batch& batch : std::exchange(waiting_, {})) put(std::move(batch));
}

void MessageIntake::put(Batch batch) {
  // std::function wants to copy what it holds.
  auto responders = std::make_shared<std::vector<ipc::Responder>>(std::move(batch.responders));
  node_.store().append_outbox(batch.peer, std::move(batch.messages), node_.post_here(),
                              [this, peer = batch.peer, direct = batch.direct, responders](
                                  const Stored& result) { stored(peer, direct, *responders, result); });
}

void MessageIntake::stored(const base::PeerId& peer, bool direct, std::vector<ipc::Responder>& responders,
                           const Stored& result) {
  if (!result) {
    for (ipc::Responder& responder : responders) answer_store_error(result.error(), responder);
    return;
  }
  const auto good = std::count_if(result->begin(), result->end(), [](const auto& one) { return !!one; });
  if (good > 0) {
    node_.board().messages_queued(peer, static_cast<std::uint64_t>(good));
    node_.with_peer(peer, [direct](PeerNode& node) {
      if (!direct) node.peer().set_direct_allowed_once(false);
      node.peer().on_outbox_changed();
    });
  }
  for (std::size_t i = 0; i < responders.size(); ++i) {
    const auto& one = (*result)[i];
    if (one) {
      responders[i].ok_text(fmt::format(R"({{"id":"{}","sequence":{}}})", one->id, one->sequence));
    } else {
      answer_store_error(one.error(), responders[i]);
    }
  }
}

}  // namespace p2pd::daemon
