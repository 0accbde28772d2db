#include "bench/own_core.hpp"

namespace p2pd::bench {

void keep_to_core(unsigned) {}

}  // namespace p2pd::bench
