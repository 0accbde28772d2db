// Memory that is free inside the process goes back to the system.
#pragma once

namespace p2pd::relay {

// Looks through the whole heap: to be called after many sessions came, not after each.
void give_back_free_memory();

}  // namespace p2pd::relay
