#include "bench/process_pair.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/own_core.hpp"

namespace p2pd::bench {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

void run_pair(const Task& task, const std::function<void(int)>& client,
              const std::function<void(int)>& server) {
  const bool own_cores = task.kind == Task::Kind::ping_pong;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    ::close(ends[0]);
    if (own_cores) keep_to_core(1);
    server(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
  if (own_cores) keep_to_core(0);
  client(ends[0]);
  ::close(ends[0]);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    std::fprintf(stderr, "the other end failed\n");
    std::exit(1);
  }
}

double cpu_seconds() {
  double total = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    total += seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  return total;
}

void put_length(std::uint8_t* out, std::size_t size) {
  for (std::size_t i = 0; i < kLengthSize; ++i) {
    out[i] = static_cast<std::uint8_t>(size >> (8 * (kLengthSize - 1 - i)));
  }
}

void MessageCounter::feed(std::span<const std::uint8_t> data) {
  while (!data.empty()) {
    if (missing_ == 0) {
      length_ = length_ << 8 | data.front();
      data = data.subspan(1);
      if (++length_bytes_ < kLengthSize) continue;
      missing_ = std::exchange(length_, 0);
      length_bytes_ = 0;
      if (missing_ == 0 || missing_ > kMaxMessage) fail("a message's length");
    }
    const std::size_t step = std::min(missing_, data.size());
    missing_ -= step;
    data = data.subspan(step);
    if (missing_ == 0) ++count_;
  }
}

Task read_task(const char* program, const std::vector<std::string>& arguments) {
  Task out;
  const auto number = [&](std::size_t at) {
    return arguments.size() > at ? std::strtoull(arguments[at].c_str(), nullptr, 10) : 0;
  };
  const std::string kind = arguments.empty() ? "" : arguments[0];
  if (kind == "throughput" && arguments.size() <= 3) {
    out.bytes = number(1);
    out.streams = arguments.size() == 3 ? static_cast<unsigned>(number(2)) : 1;
    if (out.bytes > 0 && out.streams > 0) return out;
  } else if (kind == "messages" && arguments.size() == 3) {
    out.kind = Task::Kind::messages;
    out.size = number(1);
    out.count = number(2);
    if (out.size > 0 && out.size <= kMaxMessage && out.count > 0) return out;
  } else if (kind == "pingpong" && arguments.size() == 2) {
    out.kind = Task::Kind::ping_pong;
    out.rounds = static_cast<unsigned>(number(1));
    if (out.rounds > 0) return out;
  }
  std::fprintf(stderr, "usage: %s ... throughput BYTES [STREAMS] | messages SIZE COUNT | pingpong ROUNDS\n",
               program);
  std::exit(3);
}

void report(const std::string& what, const Task& task, Outcome outcome) {
  if (task.kind == Task::Kind::ping_pong) {
    std::vector<double>& samples = outcome.samples;
    std::sort(samples.begin(), samples.end());
    const auto at = [&](double share) {
      return samples[static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1))];
    };
    std::printf("{\"what\": \"%s\", \"p50_us\": %.1f, \"p99_us\": %.1f}\n", what.c_str(), at(0.5), at(0.99));
    return;
  }
  if (task.kind == Task::Kind::messages) {
    const auto count = static_cast<double>(task.count);
    std::printf("{\"what\": \"%s\", \"messages_per_s\": %.0f, \"cpu_us_per_message\": %.3f}\n", what.c_str(),
                count / outcome.wall.count(), outcome.cpu * 1e6 / count);
    return;
  }
  const auto bytes = static_cast<double>(task.bytes);
  std::printf("{\"what\": \"%s\", \"mb_per_s\": %.1f, \"cpu_s_per_gib\": %.2f}\n", what.c_str(),
              bytes / 1e6 / outcome.wall.count(), outcome.cpu * static_cast<double>(1ULL << 30) / bytes);
}

}  // namespace p2pd::bench
