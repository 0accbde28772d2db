#include <cstdint>
#include <cstdlib>

#include "net/ice_memory.hpp"

// The sanitizers have a malloc of their own, which has none of this.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define P2PD_OTHER_MALLOC
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define P2PD_OTHER_MALLOC
#endif
#endif

#if defined(__GLIBC__) && !defined(P2PD_OTHER_MALLOC)
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#define P2PD_GLIBC_MALLOC
#endif

namespace p2pd::net {

#ifdef P2PD_GLIBC_MALLOC

namespace {

constexpr std::size_t kNiceBuffer = 60 * 1024;
constexpr std::size_t kLargestNiceBuffer = 65'537;
// glibc's own begins at 128 KB and moves; once set it stands still.
constexpr int kUsual = 256 * 1024;
// 32 MiB of free places. Where there are more the buffer lies in the heap.
constexpr std::size_t kMostHeld = 512;

// In the heap a block is larger than asked for by a few words, with pages of its own by most of one.
bool in_heap(void* block) { return ::malloc_usable_size(block) < kLargestNiceBuffer + 1'024; }

}  // namespace

// malloc looks at the threshold only when no free place of its heap is large enough: after some handshakes
// one buffer of seven went there. So such places are taken first.
SparseBuffers::SparseBuffers() {
  ::mallopt(M_TRIM_THRESHOLD, 2 * kUsual);
  ::mallopt(M_MMAP_THRESHOLD, static_cast<int>(kNiceBuffer));
  while (held_.size() < kMostHeld) {
    void* const place = std::malloc(kLargestNiceBuffer);
    if (place == nullptr) return;
    if (!in_heap(place)) {
      std::free(place);
      return;
    }
    held_.push_back(place);
  }
}

SparseBuffers::~SparseBuffers() {
  for (void* const place : held_) std::free(place);
  ::mallopt(M_MMAP_THRESHOLD, kUsual);
}

void forget_contents(void* buffer) {
  const std::size_t size = ::malloc_usable_size(buffer);
  if (size < kNiceBuffer) return;
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(buffer);
  const std::uintptr_t first = (begin / page + 1) * page;
  const std::uintptr_t end = (begin + size) / page * page;
  if (first < end) ::madvise(static_cast<std::byte*>(buffer) + (first - begin), end - first, MADV_DONTNEED);
}

#else

SparseBuffers::SparseBuffers() = default;
SparseBuffers::~SparseBuffers() = default;
void forget_contents(void*) {}

#endif

}  // namespace p2pd::net
