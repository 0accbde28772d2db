// What the API answers when it says no: the standard JSON-RPC codes and the closed list of application codes.
// Every code has one reason word, sent as `data.reason`; the message is a sentence with a next step. Plain
// values; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace p2pd::ipc {

enum class ErrorCode : int {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  internal_error = -32603,

  unknown_peer = 1001,
  ambiguous_peer = 1002,
  own_id = 1003,
  invalid_id = 1004,
  timeout = 1005,
  relay_unreachable = 1006,
  peer_offline = 1007,
  not_permitted = 1008,
  name_taken = 1009,
  too_large = 1010,
  quota = 1011,
  storage = 1012,
  direct_disabled = 1013,
  not_connected = 1014,
  not_found = 1015,
  refused = 1016,
  shutting_down = 1017,
  invalid_name = 1018,
  busy = 1019,
  ticket_altered = 1020,
  ticket_expired = 1021,
  ticket_used = 1022,
  ticket_revoked = 1023,
  own_ticket = 1024,
  invalid_config = 1025,
  no_such_service = 1026,
  peer_restarted = 1027,
};

// The code's word ("unknown_peer"); "unknown" for a number that is not in the list, as a newer daemon may
// send.
[[nodiscard]] std::string_view reason_of(ErrorCode code);
// Every code above, for the documentation and the tests.
[[nodiscard]] std::span<const ErrorCode> all_error_codes();

struct ApiError {
  ErrorCode code = ErrorCode::internal_error;
  std::string message;
  std::string reason;

  ApiError() = default;
  ApiError(ErrorCode error, std::string text)
      : code(error), message(std::move(text)), reason(reason_of(error)) {}
};

}  // namespace p2pd::ipc
