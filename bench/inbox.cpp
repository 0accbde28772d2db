// bench_inbox SOCKET PEER COUNT: a program that takes what a peer sends, COUNT durable messages, a page at a
// time, and acknowledges each page.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "bench/unix_socket.hpp"

namespace {

using namespace std::chrono_literals;

constexpr auto kPause = 1ms;  // when nothing is there

std::size_t occurrences(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

void take(const std::string& path, const std::string& peer, std::size_t count) {
  const p2pd::bench::UnixSocket daemon(path);
  const std::string one = "{\"peer\":\"" + peer + "\",";
  std::string line;
  while (count > 0) {
    daemon.call("message.list", one + "\"limit\":1000}", line);
    const std::size_t came = occurrences(line, "\"cursor\":");
    const std::size_t next = line.rfind("\"next\":");
    if (next == line.npos) throw std::runtime_error("p2pd said no: " + line.substr(0, 300));
    if (came == 0) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    count -= std::min(count, came);
    daemon.call("message.ack",
                one + "\"up_to\":" + std::to_string(std::strtoull(&line[next + 7], nullptr, 10)) + "}", line);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: bench_inbox SOCKET PEER COUNT\n", stderr);
    return 3;
  }
  try {
    take(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_inbox: %s\n", error.what());
    return 1;
  }
  return 0;
}
