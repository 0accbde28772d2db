// Users and groups of this machine as a configuration names them: by name, or by number. Plain functions that
// ask the system's user database (files, and whatever else nsswitch.conf says); control thread, at start and
// at a reload.
#pragma once

#include <string_view>

#include <sys/types.h>

#include "base/result.hpp"

namespace p2pd::daemon {

// A number needs nobody who has it. Errors, as the end of a sentence: no such name, or a number that is none.
[[nodiscard]] base::Result<uid_t> find_user(std::string_view text);
[[nodiscard]] base::Result<gid_t> find_group(std::string_view text);

}  // namespace p2pd::daemon
