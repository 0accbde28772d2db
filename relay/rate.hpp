// Token buckets: rates with a burst, for each key and each address. Pure; times are handed in.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include <boost/asio/ip/address.hpp>

#include "base/clock.hpp"

namespace p2pd::relay {

class TokenBucket {
 public:
  // Full at first. A rate of 0 means no limit.
  TokenBucket(double per_second, double burst) : rate_(per_second), burst_(burst), level_(burst) {}

  [[nodiscard]] bool take(double tokens, base::TimePoint now) {
    if (rate_ <= 0) return true;
    refill(now);
    if (level_ < tokens) return false;
    level_ -= tokens;
    return true;
  }
  // As good as a new one.
  [[nodiscard]] bool full(base::TimePoint now) {
    refill(now);
    return level_ >= burst_;
  }

 private:
  void refill(base::TimePoint now) {
    if (now > updated_) {
      if (updated_ != base::TimePoint()) {
        const double seconds = std::chrono::duration<double>(now - updated_).count();
        level_ = std::min(burst_, level_ + seconds * rate_);
      }
      updated_ = now;
    }
  }

  double rate_;
  double burst_;
  double level_;
  base::TimePoint updated_{};
};

// What one key, or one address, may send: packets and bytes a second.
struct TrafficBudget {
  TokenBucket packets;
  TokenBucket bytes;

  [[nodiscard]] bool take(std::size_t size, base::TimePoint now) {
    return packets.take(1, now) && bytes.take(static_cast<double>(size), now);
  }
  [[nodiscard]] bool full(base::TimePoint now) { return packets.full(now) && bytes.full(now); }
};

// The network an address belongs to: /32 of IPv4 (also when mapped into IPv6), /64 of IPv6.
struct AddressPrefix {
  bool v6 = false;
  std::array<std::uint8_t, 8> bytes{};

  [[nodiscard]] static AddressPrefix of(const boost::asio::ip::address& address);
  bool operator==(const AddressPrefix&) const = default;
};
struct AddressPrefixHash {
  std::size_t operator()(const AddressPrefix& prefix) const noexcept;
};

// One `Budget` a key, shared by those who hold it and remembered until it is full again: coming back gives no
// new budget. Past `max_keys` a newcomer gets a budget of its own that is not remembered.
template <class Key, class Budget, class Hash = std::hash<Key>>
class BudgetTable {
 public:
  BudgetTable(std::size_t max_keys, std::function<Budget()> fresh)
      : max_keys_(max_keys), fresh_(std::move(fresh)) {}

  // Shared, as two sessions of a key may overlap and the table outlives neither.
  [[nodiscard]] std::shared_ptr<Budget> get(const Key& key) {
    if (const auto found = budgets_.find(key); found != budgets_.end()) return found->second;
    auto budget = std::make_shared<Budget>(fresh_());
    if (budgets_.size() < max_keys_) budgets_.emplace(key, budget);
    return budget;
  }
  void purge(base::TimePoint now) {
    std::erase_if(budgets_,
                  [now](auto& entry) { return entry.second.use_count() == 1 && entry.second->full(now); });
  }
  [[nodiscard]] std::size_t size() const { return budgets_.size(); }

 private:
  std::size_t max_keys_;
  std::function<Budget()> fresh_;
  std::unordered_map<Key, std::shared_ptr<Budget>, Hash> budgets_;
};

}  // namespace p2pd::relay
