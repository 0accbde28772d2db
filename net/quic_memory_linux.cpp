#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <vector>

#include <ngtcp2/ngtcp2.h>
#include <sys/mman.h>

#include "net/quic_memory.hpp"

namespace p2pd::net {
namespace {

constexpr std::size_t kLeastBlock = 6 * 1024;
constexpr std::size_t kSlot = 16 * 1024;
// Made usable at a time.
constexpr std::size_t kStep = 1024 * 1024;
// Address space, no memory: half a million blocks.
constexpr std::size_t kReserved = std::size_t{8} * 1024 * 1024 * 1024;

// Slots of one size in one piece of address space. Free ones have no memory behind them.
class BlockPool {
 public:
  BlockPool() {
    void* const place =
        ::mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) return;
    // A huge page would put memory behind them all.
    ::madvise(place, kReserved, MADV_NOHUGEPAGE);
    begin_ = usable_ = next_ = static_cast<std::byte*>(place);
    end_ = begin_ + kReserved;
  }
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Null: there is none.
  void* take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty() && !add()) return nullptr;
    std::byte* const slot = free_.back();
    free_.pop_back();
    return slot;
  }
  [[nodiscard]] bool owns(const void* block) const { return block >= begin_ && block < end_; }
  void give_back(void* block) {
    ::madvise(block, kSlot, MADV_DONTNEED);
    const std::lock_guard lock(mutex_);
    free_.push_back(static_cast<std::byte*>(block));  // there is room, see add()
  }

 private:
  bool add() {
    if (next_ == usable_) {
      if (usable_ == end_ || ::mprotect(usable_, kStep, PROT_READ | PROT_WRITE) != 0) return false;
      usable_ += kStep;
      free_.reserve(static_cast<std::size_t>(usable_ - begin_) / kSlot);
    }
    free_.push_back(next_);
    next_ += kSlot;
    return true;
  }

  std::mutex mutex_;
  std::byte* begin_ = nullptr;
  std::byte* next_ = nullptr;    // never given away from here on
  std::byte* usable_ = nullptr;  // up to here
  std::byte* end_ = nullptr;
  std::vector<std::byte*> free_;
};

// Never destroyed: connections may outlive what is static.
BlockPool& pool() {
  static BlockPool& made = *new BlockPool;
  return made;
}

void* allocate(std::size_t size, void*) noexcept {
  if (size >= kLeastBlock && size <= kSlot) {
    try {
      if (void* const block = pool().take()) return block;
    } catch (const std::exception&) {
      return nullptr;
    }
  }
  return std::malloc(size);
}

void release(void* block, void*) noexcept {
  if (pool().owns(block)) {
    pool().give_back(block);
  } else {
    std::free(block);
  }
}

void* allocate_zeroed(std::size_t count, std::size_t size, void*) noexcept {
  return std::calloc(count, size);
}

void* resize(void* block, std::size_t size, void* user_data) noexcept {
  if (!pool().owns(block)) return std::realloc(block, size);
  void* const moved = allocate(size, user_data);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, std::min(size, kSlot));
  release(block, user_data);
  return moved;
}

}  // namespace

const ngtcp2_mem* quic_memory() {
// It watches each block for itself.
#if defined(__SANITIZE_ADDRESS__)
  return nullptr;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  return nullptr;
#endif
#endif
  static const ngtcp2_mem table{nullptr, allocate, release, allocate_zeroed, resize};
  return &table;
}

}  // namespace p2pd::net
