#include "ipc/errors.hpp"

#include <algorithm>
#include <array>

namespace p2pd::ipc {
namespace {

struct Row {
  ErrorCode code;
  std::string_view reason;
};

constexpr std::array kRows{
    Row{ErrorCode::parse_error, "parse_error"},
    Row{ErrorCode::invalid_request, "invalid_request"},
    Row{ErrorCode::method_not_found, "method_not_found"},
    Row{ErrorCode::invalid_params, "invalid_params"},
    Row{ErrorCode::internal_error, "internal_error"},
    Row{ErrorCode::unknown_peer, "unknown_peer"},
    Row{ErrorCode::ambiguous_peer, "ambiguous_peer"},
    Row{ErrorCode::own_id, "own_id"},
    Row{ErrorCode::invalid_id, "invalid_id"},
    Row{ErrorCode::timeout, "timeout"},
    Row{ErrorCode::relay_unreachable, "relay_unreachable"},
    Row{ErrorCode::peer_offline, "peer_offline"},
    Row{ErrorCode::not_permitted, "not_permitted"},
    Row{ErrorCode::name_taken, "name_taken"},
    Row{ErrorCode::too_large, "too_large"},
    Row{ErrorCode::quota, "quota"},
    Row{ErrorCode::storage, "storage"},
    Row{ErrorCode::direct_disabled, "direct_disabled"},
    Row{ErrorCode::not_connected, "not_connected"},
    Row{ErrorCode::not_found, "not_found"},
    Row{ErrorCode::refused, "refused"},
    Row{ErrorCode::shutting_down, "shutting_down"},
    Row{ErrorCode::invalid_name, "invalid_name"},
    Row{ErrorCode::busy, "busy"},
    Row{ErrorCode::ticket_altered, "ticket_altered"},
    Row{ErrorCode::ticket_expired, "ticket_expired"},
    Row{ErrorCode::ticket_used, "ticket_used"},
    Row{ErrorCode::ticket_revoked, "ticket_revoked"},
    Row{ErrorCode::own_ticket, "own_ticket"},
    Row{ErrorCode::invalid_config, "invalid_config"},
    Row{ErrorCode::no_such_service, "no_such_service"},
    Row{ErrorCode::peer_restarted, "peer_restarted"},
};

constexpr auto kCodes = [] {
  std::array<ErrorCode, kRows.size()> codes{};
  for (std::size_t i = 0; i < kRows.size(); ++i) codes[i] = kRows[i].code;
  return codes;
}();

}  // namespace

std::string_view reason_of(ErrorCode code) {
  const auto row = std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return r.code == code; });
  return row == kRows.end() ? "unknown" : row->reason;
}

std::span<const ErrorCode> all_error_codes() { return kCodes; }

}  // namespace p2pd::ipc
