// p2pd: reads its options, runs the Node until a signal, ends with 0 after a clean stop, with 1 when that
// takes too long.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

#include "base/descriptor_limit.hpp"
#include "base/log.hpp"
#include "base/service_manager.hpp"
#include "daemon/node.hpp"

namespace {

namespace asio = boost::asio;
using p2pd::daemon::Node;
using p2pd::daemon::Options;

int fail(const p2pd::base::Error& error) {
  std::fprintf(stderr, "p2pd: %s\n", error.message().c_str());
  return 1;
}

// Of debug and of the other levels each; a few hundred bytes a record.
constexpr std::size_t kRecentRecords = 1000;
// Whatever hangs, a disk for instance: the stop is over after this.
constexpr unsigned kStopSeconds = 5;

// For what was cancelled to be told so.
constexpr auto kLastHandlers = std::chrono::milliseconds(200);

extern "C" void stop_took_too_long(int) {
  constexpr std::string_view kText = "p2pd: could not stop in 5 seconds, ending all the same\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
  ::_exit(1);
}

asio::awaitable<void> follow_signals(Node& node, asio::signal_set& signals) {
  for (;;) {
    const int signal = co_await signals.async_wait(asio::use_awaitable);
    if (signal != SIGHUP) break;
    // Both outcomes are in the log.
    [[maybe_unused]] const auto reloaded = node.reload();
  }
  std::signal(SIGALRM, stop_took_too_long);
  ::alarm(kStopSeconds);
  co_await node.stop();
}

int run(Options options, std::function<p2pd::base::Result<Options>()> read_again) {
  // Each direct peer takes descriptors of its own.
  if (!p2pd::base::raise_descriptor_limit())
    p2pd::base::log::warn("daemon", "the descriptor limit stays as it is");
  std::signal(SIGPIPE, SIG_IGN);
  asio::io_context io{1};
  asio::signal_set signals(io, SIGINT, SIGTERM, SIGHUP);
  const auto manager = p2pd::base::ServiceManager::from_environment();
  auto node = Node::open(io, std::move(options), {manager, std::move(read_again)});
  if (!node) return fail(node.error());
  if (auto started = (*node)->start(); !started) return fail(started.error());
  std::exception_ptr failure;
  asio::co_spawn(io, follow_signals(**node, signals), [&failure, &io](std::exception_ptr thrown) {
    failure = thrown;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  io.restart();
  io.run_for(kLastHandlers);
  // The system's look-up of a name cannot be cancelled, and destroying the io_context waits for it: on a name
  // server that does not answer for many seconds. All that must end in order has ended.
  if (!io.stopped()) ::_exit(0);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto read = [argc, argv] { return p2pd::daemon::read_options(argc, argv); };
  auto options = read();
  if (!options) {
    std::istringstream mistakes(options.error().context);
    for (std::string line; std::getline(mistakes, line);) std::fprintf(stderr, "p2pd: %s\n", line.c_str());
    return 3;
  }
  switch (options->action) {
    case Options::Action::help:
      std::fputs(p2pd::daemon::help_text().c_str(), stdout);
      return 0;
    case Options::Action::version:
      std::puts("p2pd " P2PD_VERSION);
      return 0;
    case Options::Action::check_config:
      std::puts("the configuration is valid");
      return 0;
    case Options::Action::print_config:
      std::fputs(p2pd::daemon::print_config(*options).c_str(), stdout);
      return 0;
    case Options::Action::run:
      break;
  }
  p2pd::base::log::set_level(options->log_level);
  p2pd::base::log::keep_recent(kRecentRecords);
  return run(std::move(*options), read);
}
