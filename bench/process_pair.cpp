#include "bench/process_pair.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

void run_pair(const std::function<void(int)>& client, const std::function<void(int)>& server) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("socketpair");
  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    ::close(ends[0]);
    server(ends[1]);
    ::_exit(0);
  }
  ::close(ends[1]);
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

Task read_task(int argc, char** argv) {
  Task out;
  if (argc == 3 && std::strcmp(argv[1], "throughput") == 0) {
    out.bytes = std::strtoull(argv[2], nullptr, 10);
    if (out.bytes > 0) return out;
  } else if (argc == 3 && std::strcmp(argv[1], "pingpong") == 0) {
    out.kind = Task::Kind::ping_pong;
    out.rounds = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
    if (out.rounds > 0) return out;
  }
  std::fprintf(stderr, "usage: %s throughput BYTES | pingpong ROUNDS\n", argv[0]);
  std::exit(3);
}

void report_throughput(const std::string& what, std::uint64_t bytes, std::chrono::duration<double> wall,
                       double cpu) {
  const double gib = static_cast<double>(bytes) / static_cast<double>(1ULL << 30);
  std::printf("{\"what\": \"%s\", \"mb_per_s\": %.1f, \"cpu_s_per_gib\": %.2f}\n", what.c_str(),
              static_cast<double>(bytes) / 1e6 / wall.count(), cpu / gib);
}

void report_ping_pong(const std::string& what, std::vector<double> microseconds) {
  std::sort(microseconds.begin(), microseconds.end());
  const auto at = [&](double share) {
    return microseconds[static_cast<std::size_t>(share * static_cast<double>(microseconds.size() - 1))];
  };
  std::printf("{\"what\": \"%s\", \"p50_us\": %.1f, \"p99_us\": %.1f}\n", what.c_str(), at(0.5), at(0.99));
}

}  // namespace p2pd::bench
