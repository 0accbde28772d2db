#include "net/quic_memory.hpp"

namespace p2pd::net {

const ngtcp2_mem* quic_memory() { return nullptr; }

}  // namespace p2pd::net
