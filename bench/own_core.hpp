#pragma once

namespace p2pd::bench {

// Keeps this process on the core of that index among those it may use, where there is more than one: two
// that wait for each other would else share a core at one time and not at another.
void keep_to_core(unsigned index);

}  // namespace p2pd::bench
