#include "relay/memory.hpp"

namespace p2pd::relay {

void give_back_free_memory() {}

}  // namespace p2pd::relay
