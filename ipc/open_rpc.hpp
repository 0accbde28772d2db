// The method table as an OpenRPC 1.2.6 document, with what else there is to say of the methods: shapes,
// errors and examples from constant tables. A pure function; any thread.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "ipc/method_table.hpp"

namespace p2pd::ipc {

// A method without a MethodShape is described by its row alone. Asserts that shapes and examples are
// well-formed.
[[nodiscard]] nlohmann::json open_rpc_document(const std::string& title, const std::string& version,
                                               const std::vector<Method>& methods, const ApiDetails& details);

}  // namespace p2pd::ipc
