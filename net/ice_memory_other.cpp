#include "net/ice_memory.hpp"

namespace p2pd::net {

SparseBuffers::SparseBuffers() = default;
SparseBuffers::~SparseBuffers() = default;
void forget_contents(void*) {}

}  // namespace p2pd::net
