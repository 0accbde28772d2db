// What systemd, or whoever else supervises this process, is told about it: sd_notify(3)'s protocol, one
// datagram of `NAME=value` lines to the socket that $NOTIFY_SOCKET names (a path, or `@name` in Linux's
// abstract name space). Without that variable, and on systems without such a manager, every call does
// nothing. A message that the manager does not take is lost and changes nothing here. Read from the
// environment once, at start-up; afterwards any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace p2pd::base {

class ServiceManager {
 public:
  // Of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. They stay in the environment: p2pd starts no programs.
  [[nodiscard]] static ServiceManager from_environment();
  ServiceManager() = default;

  // Whether there is anyone to tell.
  [[nodiscard]] bool present() const { return !socket_.empty(); }
  // The manager ends a process that sends no alive() for so long; nothing: it does not watch.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  // READY=1: what this process serves can be used. Also after reloading(). `status` is one line for people.
  void ready(std::string_view status = {}) const;
  // RELOADING=1 with the time that tells it from a later one; ready() ends it, whether it succeeded or not.
  void reloading() const;
  void stopping() const;
  void status(std::string_view line) const;
  // WATCHDOG=1
  void alive() const;

 private:
  // READY, RELOADING and STOPPING wait a moment for a manager that is behind; the rest is repeated anyway.
  enum class Urgency { wait, drop };
  void send(std::string_view message, Urgency urgency) const;

  std::string socket_;  // as NOTIFY_SOCKET has it
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace p2pd::base
