// bench_stream CLIENT_SOCKET SERVER_SOCKET PEER TASK...: two programs joined by a byte stream through two
// running daemons. The one at CLIENT_SOCKET opens a stream to PEER, the name it has for the other daemon,
// where the second program listens. The CPU time it reports is the programs' alone; who runs the daemons adds
// theirs.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "bench/channel.hpp"
#include "bench/unix_socket.hpp"

namespace {

using namespace p2pd::bench;
using namespace std::chrono_literals;

constexpr int kAttempts = 100;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_stream: %s\n", what.c_str());
  std::exit(1);
}

// The connection as a stream, or -1 and why not. What follows the answer's line is the stream's.
int ask_for_stream(const std::string& path, std::string_view method, const std::string& params,
                   std::string& answer) {
  UnixSocket socket(path);
  socket.call(method, params, answer, true);
  return answer.find("\"result\"") == std::string::npos ? -1 : socket.release();
}

int listen_for_stream(const std::string& socket) {
  std::string why;
  const int fd = ask_for_stream(socket, "stream.listen", R"({"service":"bench"})", why);
  if (fd < 0) fail(why);
  return fd;
}

// The listener may not have been heard of yet.
int open_stream(const std::string& socket, const std::string& peer) {
  std::string why;
  for (int i = 0; i < kAttempts; ++i) {
    const int fd =
        ask_for_stream(socket, "stream.open", R"({"service":"bench","peer":")" + peer + "\"}", why);
    if (fd >= 0) return fd;
    std::this_thread::sleep_for(50ms);
  }
  fail(why);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fputs("usage: bench_stream CLIENT_SOCKET SERVER_SOCKET PEER TASK...\n", stderr);
    return 3;
  }
  const Task task = read_task(argv[0], {argv + 4, argv + argc});
  try {
    if (task.streams != 1) fail("one stream at a time");
    Outcome outcome;
    run_pair(
        task,
        [&](int) {
          SocketChannel channel(open_stream(argv[1], argv[3]));
          outcome = run_client(channel, task);
        },
        [&](int) {
          SocketChannel channel(listen_for_stream(argv[2]));
          run_server(channel, task);
        });
    outcome.cpu = cpu_seconds();
    report("p2pd, application to application", task, std::move(outcome));
  } catch (const std::exception& error) {
    fail(error.what());
  }
}
