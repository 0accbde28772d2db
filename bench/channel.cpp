#include "bench/channel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

namespace p2pd::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlock = 64 * 1024;
constexpr std::size_t kBall = 64;

[[noreturn]] void broken(const char* what) {
  std::perror(what);
  std::exit(1);
}

// Each message is put together by itself, as a program would; what is written to the stream is a block of
// them.
void send_messages(Channel& channel, const Task& task) {
  std::vector<std::uint8_t> block;
  const std::vector<std::uint8_t> body(task.size, 'x');
  block.reserve(kBlock + kLengthSize + task.size);
  for (std::uint64_t i = 0; i < task.count; ++i) {
    std::uint8_t length[kLengthSize];
    put_length(length, body.size());
    block.insert(block.end(), std::begin(length), std::end(length));
    block.insert(block.end(), body.begin(), body.end());
    if (block.size() < kBlock) continue;
    channel.write(block);
    block.clear();
  }
  if (!block.empty()) channel.write(block);
}

void send_bytes(Channel& channel, std::uint64_t bytes) {
  const std::vector<std::uint8_t> block(kBlock, 'x');
  for (std::uint64_t left = bytes; left > 0;) {
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
    channel.write(std::span(block).first(step));
    left -= step;
  }
}

void receive(Channel& channel, const Task& task) {
  std::vector<std::uint8_t> buffer(kBlock);
  MessageCounter messages;
  std::uint64_t received = 0;
  while (task.kind == Task::Kind::messages ? messages.count() < task.count : received < task.bytes) {
    const std::size_t count = channel.read_some(buffer);
    received += count;
    if (task.kind == Task::Kind::messages) messages.feed(std::span(buffer).first(count));
  }
}

}  // namespace

void Channel::read_all(std::span<std::uint8_t> out) {
  while (!out.empty()) out = out.subspan(read_some(out));
}

SocketChannel::~SocketChannel() { ::close(fd_); }

void SocketChannel::write(std::span<const std::uint8_t> data) {
  while (!data.empty()) {
    const ssize_t count = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) broken("write");
    data = data.subspan(static_cast<std::size_t>(count));
  }
}

std::size_t SocketChannel::read_some(std::span<std::uint8_t> out) {
  while (true) {
    const ssize_t count = ::read(fd_, out.data(), out.size());
    if (count > 0) return static_cast<std::size_t>(count);
    if (count == 0) errno = ECONNRESET;
    if (errno != EINTR) broken("read");
  }
}

Outcome run_client(Channel& channel, const Task& task) {
  Outcome out;
  std::uint8_t ball[kBall] = {};
  const auto start = Clock::now();
  if (task.kind == Task::Kind::ping_pong) {
    for (unsigned i = 0; i < task.rounds; ++i) {
      const auto sent = Clock::now();
      channel.write(ball);
      channel.read_all(ball);
      out.samples.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
    }
  } else {
    if (task.kind == Task::Kind::messages) {
      send_messages(channel, task);
    } else {
      send_bytes(channel, task.bytes);
    }
    channel.read_all(std::span(ball).first(1));  // all has arrived
  }
  out.wall = Clock::now() - start;
  return out;
}

void run_server(Channel& channel, const Task& task) {
  std::uint8_t ball[kBall] = {};
  if (task.kind == Task::Kind::ping_pong) {
    for (unsigned i = 0; i < task.rounds; ++i) {
      channel.read_all(ball);
      channel.write(ball);
    }
    return;
  }
  receive(channel, task);
  channel.write(std::span(ball).first(1));
}

}  // namespace p2pd::bench
