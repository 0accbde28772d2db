#include "net/quic_send_queue.hpp"

#include <algorithm>
#include <cstring>

#include "base/assert.hpp"

namespace p2pd::net {
namespace {

// Small enough for a thousand control streams; then as large as what waits already, so that a packet of bulk
// data is of few chunks.
constexpr std::size_t kMinChunk = 1024;
constexpr std::size_t kMaxChunk = 64 * 1024;

}  // namespace

void SendQueue::append(base::ByteView data) {
  while (!data.empty()) {
    if (chunks_.empty() || chunks_.back().end == chunks_.back().capacity) {
      Chunk chunk;
      chunk.capacity = std::clamp(std::max(data.size(), size_), kMinChunk, kMaxChunk);
      chunk.data = std::make_unique_for_overwrite<std::uint8_t[]>(chunk.capacity);
      chunks_.push_back(std::move(chunk));
    }
    if (unsent_ == 0) next_ = chunks_.size() - 1;
    Chunk& chunk = chunks_.back();
    const std::size_t count = std::min(data.size(), chunk.capacity - chunk.end);
    std::memcpy(chunk.data.get() + chunk.end, data.data(), count);
    chunk.end += count;
    size_ += count;
    unsent_ += count;
    data = data.subspan(count);
  }
}

std::size_t SendQueue::peek_unsent(std::span<base::ByteView> out, bool& all) const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (std::size_t i = next_; i < chunks_.size() && count < out.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    out[count] = {chunk.data.get() + chunk.sent, chunk.end - chunk.sent};
    bytes += out[count].size();
    ++count;
  }
  all = bytes == unsent_;
  return count;
}

void SendQueue::mark_sent(std::size_t count) {
  P2PD_ASSERT(count <= unsent_);
  unsent_ -= count;
  while (count > 0) {
    Chunk& chunk = chunks_[next_];
    const std::size_t step = std::min(count, chunk.end - chunk.sent);
    chunk.sent += step;
    count -= step;
    if (chunk.sent == chunk.end) ++next_;
  }
}

void SendQueue::release(std::size_t count) {
  P2PD_ASSERT(count <= size_ - unsent_);
  size_ -= count;
  while (count > 0) {
    Chunk& chunk = chunks_.front();
    const std::size_t step = std::min(count, chunk.sent - chunk.begin);
    chunk.begin += step;
    count -= step;
    if (chunk.begin == chunk.end) {
      chunks_.pop_front();
      --next_;
    }
  }
}

void SendQueue::drop_unsent() {
  if (unsent_ == 0) return;
  size_ -= unsent_;
  unsent_ = 0;
  Chunk& first = chunks_[next_];
  first.end = first.sent;
  if (first.begin < first.end) ++next_;
  chunks_.resize(next_);
}

}  // namespace p2pd::net
