#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptor.hpp"
#include "base/log.hpp"
#include "base/service_manager.hpp"

namespace p2pd::base {
namespace {

// A manager that takes nothing for so long is not waited for any longer: this program's own work goes on.
constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};

std::optional<std::uint64_t> number(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  std::uint64_t out = 0;
  const char* end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, out);
  if (error != std::errc() || stopped != end || text == end) return std::nullopt;
  return out;
}

// Empty: not an address that sd_notify(3) allows.
socklen_t to_address(std::string_view name, sockaddr_un& out) {
  out = {};
  out.sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() >= sizeof(out.sun_path)) return 0;
  std::memcpy(out.sun_path, name.data(), name.size());
  std::size_t length = offsetof(sockaddr_un, sun_path) + name.size();
  if (name.front() == '@') {
    out.sun_path[0] = '\0';  // abstract: the name is as long as it is
  } else if (name.front() == '/') {
    ++length;  // a path with its NUL
  } else {
    return 0;
  }
  return static_cast<socklen_t>(length);
}

// A line break would begin another assignment.
std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return out;
}

}  // namespace

ServiceManager ServiceManager::from_environment() {
  ServiceManager out;
  const char* socket = std::getenv("NOTIFY_SOCKET");
  if (socket == nullptr || *socket == '\0') return out;
  sockaddr_un address{};
  if (to_address(socket, address) == 0) {
    log::warn("service", "NOTIFY_SOCKET is neither a path nor an @name, nobody is told", {{"value", socket}});
    return out;
  }
  out.socket_ = socket;
  // sd_watchdog_enabled(3): it may be meant for another process.
  const auto interval = number("WATCHDOG_USEC");
  const auto pid = number("WATCHDOG_PID");
  const bool ours = std::getenv("WATCHDOG_PID") == nullptr || pid == static_cast<std::uint64_t>(::getpid());
  if (interval && *interval > 0 && ours) out.watchdog_ = std::chrono::microseconds(*interval);
  return out;
}

void ServiceManager::ready(std::string_view status) const {
  std::string message = "READY=1\n";
  if (!status.empty()) message += fmt::format("STATUS={}\n", one_line(status));
  send(message, Urgency::wait);
}

void ServiceManager::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", now.tv_sec * 1'000'000LL + now.tv_nsec / 1'000),
       Urgency::wait);
}

void ServiceManager::stopping() const { send("STOPPING=1\n", Urgency::wait); }

void ServiceManager::status(std::string_view line) const {
  send(fmt::format("STATUS={}\n", one_line(line)), Urgency::drop);
}

void ServiceManager::alive() const { send("WATCHDOG=1\n", Urgency::drop); }

void ServiceManager::send(std::string_view message, Urgency urgency) const {
  if (socket_.empty()) return;
  sockaddr_un address{};
  const socklen_t length = to_address(socket_, address);
  // A socket a message: rare, and a manager that was replaced in between is found again.
  const Descriptor from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ::setsockopt(from.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  const int flags = MSG_NOSIGNAL | (urgency == Urgency::drop ? MSG_DONTWAIT : 0);
  const ssize_t sent = ::sendto(from.get(), message.data(), message.size(), flags,
                                reinterpret_cast<const sockaddr*>(&address), length);
  if (sent < 0) log::debug("service", "the service manager was not told", {{"error", std::strerror(errno)}});
}

}  // namespace p2pd::base
