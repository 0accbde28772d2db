// A file transfer as the API shows it, in lists, answers and events. Plain values; control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.hpp"
#include "store/types.hpp"

namespace p2pd::daemon {

// waiting: for the peer, or for its turn. needs_file: outgoing, the daemon was restarted and its descriptor
// has to be passed again. checking: what is there already is compared. storing: complete, gets its name.
enum class TransferStage { waiting, needs_file, checking, active, storing, done, failed, cancelled };
[[nodiscard]] std::string_view to_string(TransferStage stage);

struct TransferView {
  store::TransferRow row;
  std::string peer_name;  // empty when it is not known (any more)
  TransferStage stage = TransferStage::waiting;
  std::uint64_t bytes = 0;             // that are there already
  std::optional<double> rate;          // bytes a second, while it is known
  std::optional<base::Duration> left;  // at that rate
};

// Of a transfer that is over, from its row alone.
[[nodiscard]] TransferView finished_view(store::TransferRow row, std::string peer_name);
[[nodiscard]] nlohmann::json to_json(const TransferView& transfer);
// A sentence for people about why a transfer was not done: `reason` is its row's word.
[[nodiscard]] std::string explain_reason(std::string_view reason);

// How fast something grows: looked at a few times a second, forgets what is older than some seconds. A plain
// value.
class RateMeter {
 public:
  void sample(std::uint64_t bytes, base::TimePoint now);
  void reset() { *this = {}; }
  // Bytes a second; nothing before there is something to compare.
  [[nodiscard]] std::optional<double> rate() const { return rate_; }

 private:
  std::optional<std::uint64_t> last_;
  base::TimePoint at_{};
  std::optional<double> rate_;
};

}  // namespace p2pd::daemon
