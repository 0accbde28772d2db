// The API's application errors as base::Error, so that what refuses a request need not know of JSON: the code
// is an ipc::ErrorCode, the context its sentence with the next step. Any thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "ipc/errors.hpp"

namespace p2pd::daemon {

using ipc::ErrorCode;

[[nodiscard]] base::Error make_error(ErrorCode code, std::string sentence);
// The API's answer to `error`: itself when make_error() made it, else `otherwise` with its message.
[[nodiscard]] ipc::ApiError to_api_error(const base::Error& error,
                                         ErrorCode otherwise = ErrorCode::internal_error);

}  // namespace p2pd::daemon
