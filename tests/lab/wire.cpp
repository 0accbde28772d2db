// lab_wire: a long, thin or bad line, on a TUN device: what is routed to it comes back later, or never. The
// kernel of a test machine need not have netem.
//
//   lab_wire --device NAME
//
// Standard input sets it, a line each time: `DELAY_MS LOSS_PERCENT RATE_KBIT`, of each way apart by the
// packet's order only: one queue serves both. A rate of 0 is none. The end of the input ends the program.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/lab/tun.hpp"

namespace p2pd::lab {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// What a line of its rate holds back at most; more is dropped, as a router's full queue does.
constexpr std::size_t kMaxQueued = 4'096;

constexpr std::chrono::microseconds kMostLate{500};

class Wire {
 public:
  void set(double delay_ms, double loss_percent, double rate_kbit) {
    delay_ = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double, std::milli>(delay_ms));
    lost_ = std::bernoulli_distribution(std::clamp(loss_percent / 100, 0.0, 1.0));
    rate_kbit_ = rate_kbit;
  }

  void take(std::span<const std::uint8_t> packet) {
    if (queue_.size() >= kMaxQueued || lost_(random_)) return;
    const auto now = Clock::now();
    free_at_ = std::max(free_at_, now);
    if (rate_kbit_ > 0) {
      const double ns = static_cast<double>(packet.size()) * 8 * 1e6 / rate_kbit_;
      free_at_ += nanoseconds(static_cast<std::int64_t>(ns));
    }
    // Never before the one ahead of it: a shorter delay, just set, reorders nothing.
    const auto due = std::max(free_at_ + delay_, queue_.empty() ? Clock::time_point{} : queue_.back().due);
    queue_.push_back({due, {packet.begin(), packet.end()}});
  }

  // Passes on what is due; the time until the next one is, nothing when none waits.
  std::optional<nanoseconds> give(Tun& tun) {
    while (!queue_.empty()) {
      const auto wait = queue_.front().due - Clock::now();
      if (wait > wakes_late_by_) {
        waited_ = true;
        return wait - wakes_late_by_;
      }
      if (std::exchange(waited_, false)) learn(-wait);
      tun.write(queue_.front().bytes);
      queue_.pop_front();
    }
    return std::nullopt;
  }

 private:
  // How much too late the packet waited for goes, on average. Else each line would be longer than set by what
  // the system takes to wake this process.
  void learn(nanoseconds late) {
    wakes_late_by_ = std::clamp(wakes_late_by_ + late / 8, nanoseconds{0}, nanoseconds{kMostLate});
  }

  struct Waiting {
    Clock::time_point due;
    std::vector<std::uint8_t> bytes;
  };

  nanoseconds delay_{};
  std::bernoulli_distribution lost_{0.0};
  double rate_kbit_ = 0;
  Clock::time_point free_at_{};
  std::deque<Waiting> queue_;
  nanoseconds wakes_late_by_{};
  bool waited_ = false;         // for the one at the front
  std::minstd_rand random_{1};  // always the same losses, packet for packet
};

// False at the end of the input.
bool read_settings(std::string& rest, Wire& wire) {
  std::array<char, 256> buffer;
  const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (size == 0) return false;
  if (size < 0) return errno == EINTR || errno == EAGAIN;
  rest.append(buffer.data(), static_cast<std::size_t>(size));
  for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
    double delay = 0;
    double loss = 0;
    double rate = 0;
    if (std::sscanf(rest.c_str(), "%lf %lf %lf", &delay, &loss, &rate) != 3)
      give_up("expected DELAY_MS LOSS_PERCENT RATE_KBIT, not '" + rest.substr(0, end) + "'");
    wire.set(delay, loss, rate);
    std::fprintf(stderr, "set %g %g %g\n", delay, loss, rate);
    rest.erase(0, end + 1);
  }
  return true;
}

void run(const std::string& device) {
  Tun tun(device);
  Wire wire;
  std::string rest;
  std::fprintf(stderr, "ready\n");
  std::array<std::uint8_t, 65'536> buffer;
  std::array<pollfd, 2> waiting{{{tun.descriptor(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
  for (;;) {
    const auto wait = wire.give(tun);
    timespec timeout{};
    if (wait) {
      timeout.tv_sec = wait->count() / 1'000'000'000;
      timeout.tv_nsec = wait->count() % 1'000'000'000;
    }
    if (::ppoll(waiting.data(), waiting.size(), wait ? &timeout : nullptr, nullptr) < 0 && errno != EINTR)
      give_up(std::strerror(errno));
    if (waiting[1].revents != 0 && !read_settings(rest, wire)) return;
    while (const std::size_t size = tun.read(buffer)) wire.take(std::span(buffer).first(size));
  }
}

}  // namespace
}  // namespace p2pd::lab

int main(int count, char** words) {
  if (count != 3 || std::string(words[1]) != "--device") p2pd::lab::give_up("usage: lab_wire --device NAME");
  std::signal(SIGTERM, [](int) { ::_exit(0); });
  p2pd::lab::run(words[2]);
  return 0;
}
