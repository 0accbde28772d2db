#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <fcntl.h>
#include <poll.h>
#include <systemd/sd-bus.h>

#include "base/await.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "net/sleep_signal.hpp"

namespace p2pd::net {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using Descriptor = asio::posix::stream_descriptor;

constexpr const char* kLogind = "org.freedesktop.login1";
// Senders that wait for the bus to say who logind is; the oldest goes.
constexpr std::size_t kMaxSenders = 16;

struct BusDelete {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};
using BusPtr = std::unique_ptr<sd_bus, BusDelete>;

}  // namespace

struct SleepSignal::Impl {
  Impl(asio::any_io_executor executor, std::function<void()> handler)
      : woke(std::move(handler)), tasks(std::move(executor)) {}

  [[nodiscard]] asio::awaitable<void> listen();
  [[nodiscard]] int open();
  void heard(sd_bus_message* message);
  void owner_known(const char* owner);

  static int on_signal(sd_bus_message* message, void* self, sd_bus_error*) noexcept;
  static int on_owner(sd_bus_message* message, void* self, sd_bus_error*) noexcept;

  std::function<void()> woke;
  BusPtr bus;
  std::vector<std::string> senders;
  base::TaskGroup tasks;
};

int SleepSignal::Impl::open() {
  sd_bus* opened = nullptr;
  if (const int error = sd_bus_open_system(&opened); error < 0) return error;
  bus.reset(opened);
  // The bus passes on broadcasts of the name's owner alone; what is sent to us by itself passes by that.
  return sd_bus_match_signal_async(opened, nullptr, kLogind, "/org/freedesktop/login1",
                                   "org.freedesktop.login1.Manager", "PrepareForSleep", on_signal, nullptr,
                                   this);
}

// A signal comes when it comes: the waits have no deadline.
asio::awaitable<void> SleepSignal::Impl::listen() {
  int error = open();
  if (error < 0) {
    log::debug("net", "no system bus, sleep is seen by the clocks alone", {{"error", std::strerror(-error)}});
    co_return;
  }
  Descriptor readable(co_await asio::this_coro::executor);
  const int copy = ::fcntl(sd_bus_get_fd(bus.get()), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) co_return;
  readable.assign(copy);
  for (bool told = false;;) {
    while ((error = sd_bus_process(bus.get(), nullptr)) > 0) {
    }
    if (error < 0) break;
    if (!told && sd_bus_is_ready(bus.get()) > 0) {
      told = true;
      log::debug("net", "listening to logind");
    }
    const bool to_write = (sd_bus_get_events(bus.get()) & POLLOUT) != 0;
    const auto [stopped] =
        co_await readable.async_wait(to_write ? Descriptor::wait_write : Descriptor::wait_read, base::kAwait);
    if (stopped) co_return;
  }
  log::debug("net", "the system bus is gone, sleep is seen by the clocks alone",
             {{"error", std::strerror(-error)}});
}

void SleepSignal::Impl::heard(sd_bus_message* message) {
  int asleep = 0;
  const char* sender = sd_bus_message_get_sender(message);
  if (sd_bus_message_read(message, "b", &asleep) < 0 || asleep != 0 || sender == nullptr) return;
  if (senders.size() >= kMaxSenders) senders.erase(senders.begin());
  senders.emplace_back(sender);
  sd_bus_call_method_async(bus.get(), nullptr, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                           "org.freedesktop.DBus", "GetNameOwner", on_owner, this, "s", kLogind);
}

void SleepSignal::Impl::owner_known(const char* owner) {
  const std::vector<std::string> waiting = std::exchange(senders, {});
  if (std::ranges::find(waiting, owner) != waiting.end()) {
    woke();
  } else if (!waiting.empty()) {
    log::debug("net", "PrepareForSleep was not logind's", {{"sender", waiting.front()}});
  }
}

int SleepSignal::Impl::on_signal(sd_bus_message* message, void* self, sd_bus_error*) noexcept {
  static_cast<Impl*>(self)->heard(message);
  return 0;
}

int SleepSignal::Impl::on_owner(sd_bus_message* message, void* self, sd_bus_error*) noexcept {
  const char* owner = "";
  if (sd_bus_message_is_method_error(message, nullptr) == 0) sd_bus_message_read(message, "s", &owner);
  static_cast<Impl*>(self)->owner_known(owner);
  return 0;
}

SleepSignal::SleepSignal(asio::any_io_executor executor, std::function<void()> woke)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(woke))) {}

SleepSignal::~SleepSignal() = default;

void SleepSignal::start() { impl_->tasks.spawn("logind", impl_->listen()); }

asio::awaitable<void> SleepSignal::stop() {
  impl_->tasks.cancel();
  co_await impl_->tasks.join();
}

}  // namespace p2pd::net
