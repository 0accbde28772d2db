// bench_api SOCKET METHOD PARAMS COUNT WINDOW: calls a method of a running daemon COUNT times on one
// connection, at most WINDOW of them unanswered, and reports calls a second and how long an answer takes as
// one JSON line. PARAMS is JSON. Answers come in the order of the requests where each is answered at once;
// with others the times are of the oldest.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "bench/unix_socket.hpp"

namespace {

using Clock = std::chrono::steady_clock;

class ApiLoad {
 public:
  ApiLoad(const std::string& path, std::string request, std::size_t count, std::size_t window)
      : request_(std::move(request)), count_(count), window_(window), socket_(path) {
    times_.reserve(count);
  }

  void run() {
    const auto begin = Clock::now();
    while (times_.size() < count_) {
      send_what_may_be_sent();
      receive();
    }
    report(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  // Half a window at a time, so that neither side is woken for each request.
  void send_what_may_be_sent() {
    if (waiting_.size() > window_ / 2) return;
    std::string lines;
    const auto now = Clock::now();
    while (sent_ < count_ && waiting_.size() < window_) {
      lines += request_;
      waiting_.push_back(now);
      ++sent_;
    }
    socket_.send(lines);
  }

  void receive() {
    const ssize_t read = ::read(socket_.fd(), buffer_.data(), buffer_.size());
    if (read <= 0) throw std::runtime_error("p2pd closed the connection");
    const auto now = Clock::now();
    const std::string_view got(buffer_.data(), static_cast<std::size_t>(read));
    if (times_.empty() && got.find("\"error\":{\"code\"") != std::string_view::npos)
      throw std::runtime_error("p2pd said no: " + std::string(got.substr(0, 300)));
    for (std::ptrdiff_t answers = std::count(got.begin(), got.end(), '\n'); answers > 0; --answers) {
      times_.push_back(std::chrono::duration<double, std::micro>(now - waiting_.front()).count());
      waiting_.pop_front();
    }
  }

  void report(double seconds) {
    std::sort(times_.begin(), times_.end());
    const auto at = [this](double share) {
      return times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))];
    };
    std::printf("{\"calls_per_s\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                static_cast<double>(count_) / seconds, at(0.5), at(0.99));
  }

  const std::string request_;
  const std::size_t count_;
  const std::size_t window_;
  const p2pd::bench::UnixSocket socket_;
  std::size_t sent_ = 0;
  std::deque<Clock::time_point> waiting_;
  std::vector<double> times_;
  std::array<char, 1 << 20> buffer_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("usage: bench_api SOCKET METHOD PARAMS COUNT WINDOW\n", stderr);
    return 3;
  }
  const std::string request =
      R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(argv[2]) + R"(","params":)" + argv[3] + "}\n";
  try {
    // Its buffer is too large for a stack.
    const auto load = std::make_unique<ApiLoad>(argv[1], request, std::strtoull(argv[4], nullptr, 10),
                                                std::max(1ULL, std::strtoull(argv[5], nullptr, 10)));
    load->run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_api: %s\n", error.what());
    return 1;
  }
  return 0;
}
