// p2p-relay: options, the io_context, signals. Everything else is relay::Server.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/descriptor_limit.hpp"
#include "base/log.hpp"
#include "base/service_manager.hpp"
#include "base/task_group.hpp"
#include "base/watchdog.hpp"
#include "net/identity.hpp"
#include "relay/files.hpp"
#include "relay/options.hpp"
#include "relay/server.hpp"

namespace {

namespace asio = boost::asio;
namespace log = p2pd::base::log;
using p2pd::base::Result;
using p2pd::relay::Options;
using p2pd::relay::Server;

constexpr int kUsage = 2;

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int fail(std::string_view sentence, int status = 1) {
  print(stderr, "p2p-relay: " + std::string(sentence) + "\n");
  return status;
}

Result<> check_files(const Options& options) {
  const p2pd::relay::ServerConfig& server = options.server;
  return p2pd::relay::Files(server.access, server.tls_certificate, server.tls_key).load();
}

asio::awaitable<void> handle_signals(Server& server, asio::signal_set& signals,
                                     const p2pd::base::ServiceManager& manager,
                                     p2pd::base::TaskGroup& watchdog) {
  for (;;) {
    const auto [error, signal] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    if (signal != SIGHUP) break;
    manager.reloading();
    const Result<> reloaded = server.reload();
    manager.ready();
    if (!reloaded) {
      log::error("relay", "what was read before stays in force", {{"reason", reloaded.error().message()}});
    }
  }
  manager.stopping();
  watchdog.cancel();
  co_await watchdog.join();
  co_await server.drain();
}

int serve(const Options& options) {
  std::error_code made;
  const std::filesystem::path folder = options.state_dir;
  std::filesystem::create_directories(folder, made);
  if (made) return fail("cannot make the state folder " + folder.string() + ": " + made.message());
  auto identity = p2pd::net::Identity::load_or_create(folder / "relay.key");
  if (!identity) return fail(identity.error().message());

  asio::io_context io(1);
  // Before it serves, so that no signal ends it unheard.
  asio::signal_set caught(io, SIGTERM, SIGINT, SIGHUP);
  const auto manager = p2pd::base::ServiceManager::from_environment();
  Server server(io.get_executor(), options.server, *identity);
  const Result<> started = server.start();
  if (!started) {
    // What was already listening ends in order.
    caught.cancel();
    p2pd::base::TaskGroup ending(io.get_executor());
    ending.spawn("drain", server.drain());
    io.run();
    return fail(started.error().message());
  }
  log::info("relay", "started", {{"version", P2PD_VERSION}, {"relay", (*identity)->id().text()}});
  p2pd::base::TaskGroup watchdog(io.get_executor());
  // One thread does everything: when it gets here, it answers.
  watchdog.spawn("watchdog",
                 p2pd::base::run_watchdog(manager, [](const std::function<void()>& well) { well(); }));
  p2pd::base::TaskGroup signals(io.get_executor());
  signals.spawn("signals", handle_signals(server, caught, manager, watchdog));
  manager.ready("listening");
  io.run();
  return 0;
}

}  // namespace

int main(int argc, char* argv[]) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto options = p2pd::relay::parse_options(argc, argv);
  if (!options) return fail(options.error().message(), kUsage);
  log::set_level(options->log_level);
  switch (options->action) {
    case Options::Action::print_help:
      print(stdout, p2pd::relay::help_text());
      return 0;
    case Options::Action::print_version:
      print(stdout, "p2p-relay " P2PD_VERSION "\n");
      return 0;
    case Options::Action::print_config:
      print(stdout, to_config_text(*options));
      return 0;
    case Options::Action::check_config: {
      const Result<> checked = check_files(*options);
      if (!checked) return fail(checked.error().message());
      print(stdout, "the configuration is good\n");
      return 0;
    }
    case Options::Action::serve:
      break;
  }
  p2pd::base::raise_descriptor_limit();  // a client is a descriptor
  return serve(*options);
}
