// How many knocks go through: by the key that knocks, by its address, so that new keys give no new budget,
// and by the key that is to bear them. Pure; times are handed in. Owned by the server, its thread.
#pragma once

#include "base/peer_id.hpp"
#include "relay/limits.hpp"
#include "relay/rate.hpp"

namespace p2pd::relay {

class KnockBudgets {
 public:
  KnockBudgets(std::size_t max_keys, const Limits& limits)
      : by_key_(max_keys, [rate = limits.rate_knocks_sent] { return TokenBucket(rate, rate * kSeconds); }),
        by_address_(max_keys, [rate = limits.rate_knocks_sent *
                                      limits.address_factor] { return TokenBucket(rate, rate * kSeconds); }),
        received_(max_keys, [rate = limits.rate_knocks_received] { return TokenBucket(rate, rate * 2); }) {}

  [[nodiscard]] bool may_send(const base::PeerId& from, const AddressPrefix& address, base::TimePoint now) {
    return by_key_.get(from)->take(1, now) && by_address_.get(address)->take(1, now);
  }
  [[nodiscard]] bool may_receive(const base::PeerId& to, base::TimePoint now) {
    return received_.get(to)->take(1, now);
  }
  void purge(base::TimePoint now) {
    by_key_.purge(now);
    by_address_.purge(now);
    received_.purge(now);
  }

 private:
  static constexpr double kSeconds = 5;  // worth at once

  BudgetTable<base::PeerId, TokenBucket> by_key_;
  BudgetTable<AddressPrefix, TokenBucket, AddressPrefixHash> by_address_;
  BudgetTable<base::PeerId, TokenBucket> received_;
};

}  // namespace p2pd::relay
