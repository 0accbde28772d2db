#include "net/network_watch.hpp"

#include <chrono>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/await.hpp"
#include "net/network_events.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
using base::kAwait;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A new address comes with routes behind it; but a host that moved waits for this.
constexpr milliseconds kSettle{100};
constexpr seconds kPoll{5};
// A sleep is noticed at most this long after its end.
constexpr seconds kClockLook{2};
// Less is a busy machine.
constexpr seconds kSlept{2};
constexpr seconds kStopped{5};
// The other sign of the same wake comes within this.
constexpr seconds kSameWake{10};

}  // namespace

NetworkWatch::NetworkWatch(asio::any_io_executor executor, Changed changed)
    : changed_(std::move(changed)),
      seen_(look()),
      sleep_(executor, [this] { wake("woke from sleep"); }),
      slept_(time_asleep()),
      tasks_(std::move(executor)) {}

NetworkWatch::Seen NetworkWatch::look() {
  Seen seen{local_addresses(), outside_routes()};
  std::erase_if(seen.addresses, [](const LocalAddress& address) { return address.loopback; });
  return seen;
}

void NetworkWatch::start() {
  seen_ = look();
  sleep_.start();
  tasks_.spawn("network events", watch_events());
  tasks_.spawn("network clocks", watch_clocks());
}

asio::awaitable<void> NetworkWatch::stop() {
  co_await sleep_.stop();
  tasks_.cancel();
  co_await tasks_.join();
}

void NetworkWatch::wake(const std::string& reason) {
  const auto slept = time_asleep();
  const base::TimePoint now = base::Clock::now();
  if (woke_at_ && now - *woke_at_ < kSameWake && slept - slept_ < kSlept) return;
  woke_at_ = now;
  slept_ = slept;
  seen_ = look();
  changed_(reason);
}

void NetworkWatch::compare() {
  Seen now = look();
  if (now == seen_) return;
  const bool addresses = now.addresses != seen_.addresses;
  seen_ = std::move(now);
  changed_(addresses ? "addresses" : "routes");
}

asio::awaitable<void> NetworkWatch::watch_events() {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  base::Descriptor opened = open_network_events();
  if (!opened) {
    for (;;) {
      timer.expires_after(kPoll);
      if (const auto [error] = co_await timer.async_wait(kAwait); error) co_return;
      compare();
    }
  }
  asio::posix::stream_descriptor events(executor, opened.release());
  for (;;) {
    const auto [error] = co_await events.async_wait(asio::posix::stream_descriptor::wait_read, kAwait);
    if (error) co_return;
    timer.expires_after(kSettle);
    if (const auto [stopped] = co_await timer.async_wait(kAwait); stopped) co_return;
    drain_network_events(events.native_handle());
    compare();
  }
}

// After a sleep, or when the process was stopped for a while, sessions and mappings elsewhere may be gone
// although nothing changed here.
asio::awaitable<void> NetworkWatch::watch_clocks() {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  auto asleep = time_asleep();
  for (;;) {
    timer.expires_after(kClockLook);
    const auto due = timer.expiry();
    if (const auto [error] = co_await timer.async_wait(kAwait); error) co_return;
    const auto asleep_now = time_asleep();
    const bool slept = asleep_now - asleep >= kSlept;
    const bool stopped = asio::steady_timer::clock_type::now() - due >= kStopped;
    asleep = asleep_now;
    if (!slept && !stopped) continue;
    wake(slept ? "woke from sleep" : "was stopped");
  }
}

}  // namespace p2pd::net
