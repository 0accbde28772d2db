// The options that say who may use the socket, interpreted: socket-mode and socket-group, which are about
// reaching it, and read-user to admin-group, which are about what may be done there. Each is told by its own
// option, so that neither follows from a slip in the other. Plain functions, at start and at a reload.
#pragma once

#include <vector>

#include "daemon/option_reader.hpp"
#include "daemon/options.hpp"

namespace p2pd::daemon {

// Fills in access and socket_*; needs system_service. Mistakes go to the reader.
void read_access(OptionReader& reader, Options& out);
// The six options with the users and groups as they were named, in the option table's order.
[[nodiscard]] std::vector<Setting> access_settings(const ipc::AccessRules& access);

}  // namespace p2pd::daemon
