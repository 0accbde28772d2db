#include "tests/sim/fake_store.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace p2pd::sim {

using namespace std::chrono_literals;

void FakeStore::enqueue(std::function<std::function<void()>()> work) {
  queue_.push_back(std::move(work));
  if (!running_) run_next();
}

void FakeStore::run_next() {
  running_ = !queue_.empty();
  if (!running_) return;
  world_.after(world_.random.between(100us, 3ms), [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || queue_.empty()) return;
    const auto work = std::move(queue_.front());
    queue_.pop_front();
    const std::function<void()> tell = work();
    if (tell) {
      world_.after(50us, [tell, still = std::weak_ptr(alive_)] {
        if (!still.expired()) tell();
      });
    }
    run_next();
  });
}

void FakeStore::crash() {
  while (!queue_.empty() && world_.random.chance(0.5)) {
    (void)queue_.front()();
    queue_.pop_front();
  }
  queue_.clear();
}

void FakeStore::load_outbox(const base::PeerId&, std::uint64_t after, std::size_t limit,
                            std::size_t max_bytes,
                            std::function<void(base::Result<std::vector<peer::OutboxMessage>>)> done) {
  enqueue([this, after, limit, max_bytes, reply = std::move(done)]() -> std::function<void()> {
    std::vector<peer::OutboxMessage> page;
    std::size_t bytes = 0;
    for (const peer::OutboxMessage& message : disk_.outbox) {
      if (message.sequence <= after) continue;
      if (page.size() >= limit || (!page.empty() && bytes + message.data.size() > max_bytes)) break;
      bytes += message.data.size();
      page.push_back(message);
    }
    return [reply, page = std::move(page)] { reply(page); };
  });
}

void FakeStore::outbox_delivered(const base::PeerId&, std::uint64_t sequence) {
  enqueue([this, sequence]() -> std::function<void()> {
    while (!disk_.outbox.empty() && disk_.outbox.front().sequence <= sequence) disk_.outbox.pop_front();
    return {};
  });
}

void FakeStore::commit_inbox(const base::PeerId&, std::uint64_t epoch,
                             std::vector<peer::InboxMessage> messages,
                             std::function<void(base::Result<peer::InboundCommit>)> done) {
  enqueue([this, epoch, batch = std::move(messages), reply = std::move(done)]() -> std::function<void()> {
    if (world_.random.chance(broken)) {
      return [reply] { reply(base::errno_error(5, "the inbox")); };
    }
    std::uint64_t& mark = disk_.marks[epoch];
    peer::InboundCommit out;
    for (const peer::InboxMessage& message : batch) {
      if (world_.random.chance(full)) {
        out.full = true;
        break;
      }
      if (message.sequence <= mark) continue;
      mark = message.sequence;
      disk_.inbox.push_back(message.id);
    }
    out.high_water = mark;
    return [reply, out] { reply(out); };
  });
}

void FakeStore::inbox_high_water(const base::PeerId&, std::uint64_t epoch,
                                 std::function<void(base::Result<std::uint64_t>)> done) {
  enqueue([this, epoch, reply = std::move(done)]() -> std::function<void()> {
    return [reply, mark = disk_.marks[epoch]] { reply(mark); };
  });
}

}  // namespace p2pd::sim
