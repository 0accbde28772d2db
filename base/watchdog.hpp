// The service manager's watchdog: a sign of life each half of its interval, given only when the program says
// that all its parts answer. A part that hangs so ends in a restart by the manager. No timer runs where
// nobody watches.
#pragma once

#include <functional>

#include <boost/asio/awaitable.hpp>

#include "base/service_manager.hpp"

namespace p2pd::base {

// Asks whether all is well: calls `well`, now or later, on the watchdog's executor, or never. `well` may
// outlive the watchdog and then does nothing.
using HealthCheck = std::function<void(std::function<void()> well)>;

// Asks until it is cancelled; returns at once when the manager does not watch. The first missing answer of a
// row is logged. The manager is to outlive it.
[[nodiscard]] boost::asio::awaitable<void> run_watchdog(const ServiceManager& manager, HealthCheck check);

}  // namespace p2pd::base
