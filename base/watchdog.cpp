#include "base/watchdog.hpp"

#include <memory>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"

namespace p2pd::base {

boost::asio::awaitable<void> run_watchdog(const ServiceManager& manager, HealthCheck check) {
  namespace asio = boost::asio;
  const auto interval = manager.watchdog();
  if (!interval) co_return;
  // Gone with this coroutine: an answer that comes later finds nobody.
  const auto answered = std::make_shared<bool>(false);
  const std::function<void()> well = [&manager, waiting = std::weak_ptr(answered)] {
    const auto here = waiting.lock();
    if (!here) return;
    *here = true;
    manager.alive();
  };
  bool warned = false;
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (;;) {
    *answered = false;
    check(well);
    pause.expires_after(*interval / 2);
    const auto [stopped] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    if (stopped) co_return;
    if (!*answered && !warned) {
      log::error("service", "a thread does not answer; the service manager will restart this program",
                 {{"watchdog_ms", interval->count() / 1000}});
    }
    warned = !*answered;
  }
}

}  // namespace p2pd::base
