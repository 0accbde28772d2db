// libnice gives each agent two buffers of 64 KB: one in which it receives, of which most datagrams touch the
// first page, and one for TCP, which is never touched. While a SparseBuffers lives, blocks of that size come
// from the system with pages of their own instead of from malloc's heap, where what was used before lies
// under them. Made and destroyed around the call into libnice, on any thread; others' blocks of that time may
// be apart too, which does no harm.
#pragma once

#include <vector>

namespace p2pd::net {

class SparseBuffers {
 public:
  SparseBuffers();
  ~SparseBuffers();
  SparseBuffers(const SparseBuffers&) = delete;
  SparseBuffers& operator=(const SparseBuffers&) = delete;

 private:
  std::vector<void*> held_;  // free places of the heap where such a block would have gone
};

// Gives the memory behind such a buffer back to the system, all but its first page: what lies there is lost.
// Does nothing for a smaller block. `buffer` is what malloc returned.
void forget_contents(void* buffer);

}  // namespace p2pd::net
