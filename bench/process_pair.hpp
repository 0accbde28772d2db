// Two processes joined by a Unix socket pair, each one end of a measurement, and what the operating system
// says they cost. A benchmark forks the other end, runs both, and reports from the first.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace p2pd::bench {

// Runs `client` here and `server` in a forked child, each with its end of a connected stream socket; returns
// when both have ended. Exits the program when the child fails.
void run_pair(const std::function<void(int fd)>& client, const std::function<void(int fd)>& server);

// User and system time of this process and of its ended children.
[[nodiscard]] double cpu_seconds();

// What both kinds of measurement do.
struct Task {
  enum class Kind { throughput, ping_pong } kind = Kind::throughput;
  std::uint64_t bytes = 1ULL << 30;  // throughput: sent by the client
  unsigned rounds = 20'000;          // ping-pong: of 64 bytes
};
// argv: throughput BYTES | pingpong ROUNDS. Exits with a usage line on anything else.
[[nodiscard]] Task read_task(int argc, char** argv);

// Prints one JSON line.
void report_throughput(const std::string& what, std::uint64_t bytes, std::chrono::duration<double> wall,
                       double cpu);
void report_ping_pong(const std::string& what, std::vector<double> microseconds);

}  // namespace p2pd::bench
