// Two processes joined by a Unix socket pair, each one end of a measurement, and what the operating system
// says they cost. A benchmark forks the other end, runs both, and reports from the first.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace p2pd::bench {

struct Task;

// Runs `client` here and `server` in a forked child, each with its end of a connected stream socket, and each
// on a core of its own for a ping-pong; returns when both have ended. Exits the program when the child fails.
void run_pair(const Task& task, const std::function<void(int fd)>& client,
              const std::function<void(int fd)>& server);

// User and system time of this process and of its ended children.
[[nodiscard]] double cpu_seconds();

// What every kind of measurement can do.
struct Task {
  enum class Kind { throughput, messages, ping_pong } kind = Kind::throughput;
  std::uint64_t bytes = 1ULL << 30;  // throughput: sent by the client
  unsigned streams = 1;              // throughput: by so many at once
  std::uint64_t count = 0;           // messages
  std::size_t size = 0;              // of one, at most kMaxMessage
  unsigned rounds = 20'000;          // ping-pong: of 64 bytes
};
inline constexpr std::size_t kMaxMessage = 1 << 20;
// A message on a stream: its length as 32 bits in network order, then the bytes.
inline constexpr std::size_t kLengthSize = 4;
void put_length(std::uint8_t* out, std::size_t size);
// Counts the messages in a stream that comes in pieces.
class MessageCounter {
 public:
  void feed(std::span<const std::uint8_t> data);
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
  std::size_t missing_ = 0;  // of the message under way
  std::size_t length_ = 0;
  unsigned length_bytes_ = 0;
};

// arguments: throughput BYTES [STREAMS] | messages SIZE COUNT | pingpong ROUNDS. Exits with a usage line on
// anything else.
[[nodiscard]] Task read_task(const char* program, const std::vector<std::string>& arguments);

// What a task took; prints one JSON line.
struct Outcome {
  std::chrono::duration<double> wall{};
  double cpu = 0;               // seconds, of both ends
  std::vector<double> samples;  // ping-pong: microseconds
};
void report(const std::string& what, const Task& task, Outcome outcome);

}  // namespace p2pd::bench
