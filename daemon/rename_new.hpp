// rename() that never replaces, as one step where the system has it. Any thread.
#pragma once

namespace p2pd::daemon {

// Within one folder; 0, or -1 and errno (EEXIST: `to` is taken). Where it takes two steps, a crash between
// them leaves both names on the file.
[[nodiscard]] int rename_new(int directory, const char* from, const char* to);

}  // namespace p2pd::daemon
