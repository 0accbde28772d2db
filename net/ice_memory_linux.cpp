#include <cstdlib>

#include "net/ice_memory.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace p2pd::net {

#ifdef __GLIBC__

namespace {

constexpr int kNiceBuffer = 60 * 1024;
// glibc's own begins at 128 KB and moves; once set it stands still.
constexpr int kUsual = 256 * 1024;

}  // namespace

SparseBuffers::SparseBuffers() {
  ::mallopt(M_TRIM_THRESHOLD, 2 * kUsual);
  ::mallopt(M_MMAP_THRESHOLD, kNiceBuffer);
}

SparseBuffers::~SparseBuffers() { ::mallopt(M_MMAP_THRESHOLD, kUsual); }

#else

SparseBuffers::SparseBuffers() = default;
SparseBuffers::~SparseBuffers() = default;

#endif

}  // namespace p2pd::net
