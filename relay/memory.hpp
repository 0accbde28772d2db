// Memory that is free inside the process goes back to the system.
#pragma once

namespace p2pd::relay {

// Milliseconds for some ten thousand sessions; so after many of them came or went, not after each.
void give_back_free_memory();

}  // namespace p2pd::relay
