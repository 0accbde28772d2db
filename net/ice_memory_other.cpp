#include "net/ice_memory.hpp"

namespace p2pd::net {

SparseBuffers::SparseBuffers() = default;
SparseBuffers::~SparseBuffers() = default;

}  // namespace p2pd::net
