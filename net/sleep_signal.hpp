// logind's word that this machine woke from sleep (PrepareForSleep of org.freedesktop.login1), which comes
// sooner than clocks show it. Where there is no system bus, or no logind on it, it says nothing; a line in
// the log at debug is all. Anyone on the bus can send a signal of that name to us: it counts only when its
// sender owns logind's name. Owned by NetworkWatch, on its executor. How it ends: co_await stop(), then
// destruction.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace p2pd::net {

class SleepSignal {
 public:
  SleepSignal(boost::asio::any_io_executor executor, std::function<void()> woke);
  ~SleepSignal();
  SleepSignal(const SleepSignal&) = delete;
  SleepSignal& operator=(const SleepSignal&) = delete;

  // Connects to DBUS_SYSTEM_BUS_ADDRESS or the usual place, without waiting for it.
  void start();
  // `woke` is not called any more.
  [[nodiscard]] boost::asio::awaitable<void> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace p2pd::net
