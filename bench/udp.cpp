// bench_udp BYTES: the anchor below everything: datagrams without any protocol, sent by segmentation offload
// and received coalesced, as p2pd does on a direct path, two processes on loopback. Nothing is acknowledged
// but the number that arrived, so it is what the system could carry, not what a transport could.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/process_pair.hpp"

namespace {

using namespace p2pd::bench;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kDatagram = 1454;  // what bench_transport sends
constexpr std::size_t kBurst = 44;
constexpr std::size_t kInFlight = 32 * kBurst * kDatagram;
constexpr int kSocketBuffer = 4 << 20;
constexpr int kQuietMs = 500;  // the sender has lost what was to come

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int bound_socket(sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("bind");
  }
  for (const int name : {SO_RCVBUFFORCE, SO_RCVBUF}) {
    if (::setsockopt(fd, SOL_SOCKET, name, &kSocketBuffer, sizeof kSocketBuffer) == 0) break;
  }
  return fd;
}

// Tells the sender over `told` how much has come, so that no more is under way than the socket can hold.
void receive(int fd, int told, std::uint64_t bytes) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0) fail("UDP_GRO");
  static std::array<char, 65'536> buffer;
  std::uint64_t received = 0;
  while (received < bytes) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, kQuietMs) == 0) break;
    const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) fail("recv");
    received += static_cast<std::uint64_t>(count);
    if (::write(told, &received, sizeof received) != sizeof received) fail("write");
  }
}

// Returns the bytes that arrived.
std::uint64_t send(int fd, const sockaddr_in& to, int told, std::uint64_t bytes) {
  const auto segment = static_cast<int>(kDatagram);
  if (::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0) fail("UDP_SEGMENT");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail("connect");
  const std::vector<char> burst(kBurst * kDatagram, 'x');
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;
  std::array<std::uint64_t, 512> heard{};
  while (arrived < bytes) {
    while (sent < bytes && sent - arrived < kInFlight) {
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(burst.size(), bytes - sent));
      if (::send(fd, burst.data(), step, 0) < 0) fail("send");
      sent += step;
    }
    const ssize_t count = ::read(told, heard.data(), sizeof heard);
    if (count <= 0) break;  // some were lost
    arrived = heard[static_cast<std::size_t>(count) / sizeof heard[0] - 1];
  }
  return arrived;
}

}  // namespace

int main(int argc, char** argv) {
  const Task task = read_task(argv[0], {argv + 1, argv + argc});
  if (task.kind != Task::Kind::throughput || task.streams != 1) fail("only throughput of one stream");
  sockaddr_in receiver{};
  sockaddr_in sender{};
  const int in = bound_socket(receiver);
  const int out = bound_socket(sender);
  Outcome outcome;
  Task done = task;
  run_pair(
      task,
      [&](int told) {
        const auto start = Clock::now();
        done.bytes = send(out, receiver, told, task.bytes);
        outcome.wall = Clock::now() - start;
      },
      [&](int told) { receive(in, told, task.bytes); });
  outcome.cpu = cpu_seconds();
  report("UDP with segmentation offload", done, std::move(outcome));
}
