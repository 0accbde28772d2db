#include "daemon/file_view.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "daemon/status_json.hpp"

namespace p2pd::daemon {
namespace {

using nlohmann::json;
using store::TransferDirection;
using store::TransferState;

// A sample's weight halves in about so long.
constexpr double kHalfLife = 1.5;  // seconds

}  // namespace

std::string_view to_string(TransferStage stage) {
  switch (stage) {
    case TransferStage::waiting:
      return "waiting";
    case TransferStage::needs_file:
      return "needs_file";
    case TransferStage::checking:
      return "checking";
    case TransferStage::active:
      return "active";
    case TransferStage::storing:
      return "storing";
    case TransferStage::done:
      return "done";
    case TransferStage::failed:
      return "failed";
    case TransferStage::cancelled:
      return "cancelled";
  }
  return "waiting";
}

std::string explain_reason(std::string_view reason) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kSentences{{
      {"refused", "the peer does not take files from this machine"},
      {"bad_name", "the peer does not take a file of this name: send it under another, with --name"},
      {"quota", "the peer takes no more from this machine for now: its quota is used up"},
      {"disk_full", "there is no room on the receiver's disk"},
      {"cancelled_by_receiver", "it was cancelled at the receiver"},
      {"cancelled_by_sender", "it was cancelled at the sender"},
      {"mismatch", "what arrived is not what was sent: send it again"},
      {"storage", "the receiver could not write it: its log says why"},
      {"changed", "the file changed while it was sent: send it again when nothing writes to it"},
      {"unreadable", "the file could not be read to its end"},
      {"abandoned", "its sender has not gone on with it for three months"},
      {"peer_removed", "the peer was removed from the address book"},
      {"cancelled", "it was cancelled"},
  }};
  for (const auto& [word, sentence] : kSentences) {
    if (word == reason) return std::string(sentence);
  }
  return std::string(reason);
}

TransferView finished_view(store::TransferRow row, std::string peer_name) {
  TransferView out;
  out.stage = row.state == TransferState::done        ? TransferStage::done
              : row.state == TransferState::cancelled ? TransferStage::cancelled
                                                      : TransferStage::failed;
  out.bytes = row.state == TransferState::done ? row.size : row.durable;
  out.row = std::move(row);
  out.peer_name = std::move(peer_name);
  return out;
}

json to_json(const TransferView& transfer) {
  const store::TransferRow& row = transfer.row;
  const bool outgoing = row.direction == TransferDirection::outgoing;
  json out = {{"id", row.id},
              {"direction", outgoing ? "out" : "in"},
              {"peer", row.peer.text()},
              {"name", text_or_null(transfer.peer_name)},
              {"file", row.name},
              {"size", row.size},
              {"bytes", transfer.bytes},
              {"state", to_string(transfer.stage)},
              {"reason", text_or_null(row.reason)},
              {"rate", transfer.rate ? json(std::llround(*transfer.rate)) : json()},
              {"left_ms", transfer.left ? json(std::llround(base::to_ms(*transfer.left))) : json()},
              {"created", base::to_rfc3339(row.created)},
              {"ended", row.ended ? json(base::to_rfc3339(*row.ended)) : json()},
              {"stored_as", text_or_null(row.stored_name)}};
  if (!row.reason.empty()) out["explanation"] = explain_reason(row.reason);
  if (!outgoing) {
    const bool stored = row.state == TransferState::done && !row.stored_name.empty();
    out["path"] = stored ? json(row.folder + "/" + row.stored_name) : json();
  }
  return out;
}

void RateMeter::sample(std::uint64_t bytes, base::TimePoint now) {
  const auto before = std::exchange(last_, bytes);
  const base::TimePoint then = std::exchange(at_, now);
  // It was begun anew, or moved at once to where it had been.
  if (!before || bytes < *before) {
    rate_.reset();
    return;
  }
  const double seconds = std::chrono::duration<double>(now - then).count();
  if (seconds <= 0) return;
  const double fresh = static_cast<double>(bytes - *before) / seconds;
  const double weight = 1 - std::exp2(-seconds / kHalfLife);
  rate_ = rate_ ? *rate_ + weight * (fresh - *rate_) : fresh;
}

}  // namespace p2pd::daemon
