// What rpc.discover tells beyond the method table: the shapes of parameters and results, the errors of each
// method, and an example. Constant tables; any thread. A method that has no row here is described by the
// types of its own row.
#pragma once

#include <span>

#include "ipc/method_table.hpp"

namespace p2pd::daemon {

[[nodiscard]] std::span<const ipc::NamedShape> api_shapes();
[[nodiscard]] std::span<const ipc::MethodShape> api_methods();
[[nodiscard]] std::span<const ipc::EventShape> api_events();

}  // namespace p2pd::daemon
