// What a reload of the configuration changes: a comparison of two Options, without doing anything.
#pragma once

#include <string>
#include <vector>

#include "daemon/options.hpp"

namespace p2pd::daemon {

struct ReloadPlan {
  Options next;                            // in force afterwards
  std::vector<std::string> changed;        // options that take their new value now, in the table's order
  std::vector<std::string> needs_restart;  // options that keep their old one until p2pd starts again
};

// `now` is in force, `read` was just read. A file that an option names counts as changed when its content
// did.
[[nodiscard]] ReloadPlan plan_reload(const Options& now, const Options& read);

}  // namespace p2pd::daemon
