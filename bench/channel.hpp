// One end of a reliable byte stream that blocks, and the tasks of a measurement over it: the same code for
// every stream that is not driven by events.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "bench/process_pair.hpp"

namespace p2pd::bench {

// Each function exits the program when the stream breaks.
class Channel {
 public:
  virtual ~Channel() = default;
  // All of it.
  virtual void write(std::span<const std::uint8_t> data) = 0;
  // At least one byte.
  [[nodiscard]] virtual std::size_t read_some(std::span<std::uint8_t> out) = 0;

  void read_all(std::span<std::uint8_t> out);
};

// A connected socket; owns it.
class SocketChannel final : public Channel {
 public:
  explicit SocketChannel(int fd) : fd_(fd) {}
  ~SocketChannel() override;
  SocketChannel(const SocketChannel&) = delete;
  SocketChannel& operator=(const SocketChannel&) = delete;

  void write(std::span<const std::uint8_t> data) override;
  [[nodiscard]] std::size_t read_some(std::span<std::uint8_t> out) override;

 private:
  const int fd_;
};

// The client's end of the task; `outcome.cpu` is left to the caller.
[[nodiscard]] Outcome run_client(Channel& channel, const Task& task);
// The other end, until the client has what it wants.
void run_server(Channel& channel, const Task& task);

}  // namespace p2pd::bench
