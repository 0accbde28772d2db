// forward: a local listener whose clients are given to p2pd, which then passes their bytes by itself. When we
// end, it ends their streams; when it ends, we wait for it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <ostream>
#include <utility>

#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "ctl/command.hpp"
#include "ctl/local_listener.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

// Clients whose streams are being opened; p2pd takes 128 requests of a connection at a time.
constexpr std::size_t kMaxOpening = 64;
// p2pd ends a connection on which nothing was asked for 10 minutes.
constexpr int kAliveMs = 240'000;
constexpr base::Duration kForwardAnswer = std::chrono::seconds(30);
// How often to look for a p2pd that has ended.
constexpr int kLookMs = 200;
constexpr base::Duration kHelloAnswer = std::chrono::seconds(5);

// Its stream did not open: the client sees the connection reset, not closed.
void turn_away(base::Descriptor client) {
  const linger at_once{1, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

class Forwarder {
 public:
  Forwarder(Context& context, ipc::Client client, LocalListener listener, json params)
      : context_(context),
        client_(std::move(client)),
        listener_(std::move(listener)),
        params_(std::move(params)) {}

  // Ends only with a failure. A p2pd that ends is none: it is waited for.
  Failure run() {
    for (;;) {
      const bool room = opening_.size() < kMaxOpening && !starved_;
      std::array<pollfd, 2> on{
          {{room ? listener_.socket() : -1, POLLIN, 0}, {client_ ? client_->socket() : -1, POLLIN, 0}}};
      const int ready = ::poll(on.data(), on.size(), client_ ? kAliveMs : kLookMs);
      if (ready < 0 && errno != EINTR) return {ExitCode::refused, "cannot wait for clients"};
      std::optional<Failure> failed;
      if (!client_) failed = look_for_daemon();
      if (client_ && ready == 0) failed = start("daemon.hello", json::object(), {});
      if (ready > 0 && on[1].revents != 0) failed = answer();
      if (ready > 0 && on[0].revents != 0 && !failed) failed = accept();
      if (failed) return *failed;
    }
  }

 private:
  void say(std::string_view sentence) {
    context_.err() << "p2pctl: " << escape_line(sentence) << "\n" << std::flush;
  }

  std::optional<Failure> start(std::string_view method, const json& params, base::Descriptor client) {
    const int descriptor = client ? client.get() : -1;
    auto id = client_->start(method, params, base::Clock::now() + kForwardAnswer, descriptor);
    if (id) {
      opening_.emplace(std::move(*id), std::move(client));
      return std::nullopt;
    }
    if (client) turn_away(std::move(client));
    return lost(id.error());
  }

  std::optional<Failure> accept() {
    base::Descriptor client = listener_.accept();
    if (client && client_) return start("stream.open", params_, std::move(client));
    if (client) {
      turn_away(std::move(client));
      say("a client was turned away: p2pd is not running");
      return std::nullopt;
    }
    // What is being opened gives its descriptor back.
    starved_ = errno == EMFILE || errno == ENFILE;
    if (starved_ && opening_.empty()) {
      return Failure{ExitCode::refused, "no file descriptor is left: raise `ulimit -n`"};
    }
    return std::nullopt;
  }

  // The connection to p2pd broke. Whoever was being connected is turned away.
  std::optional<Failure> lost(const ipc::CallError& error) {
    if (error.kind != ipc::CallError::Kind::disconnected) return context_.explain(error);
    client_.reset();
    for (auto& [id, client] : std::exchange(opening_, {})) {
      if (client) turn_away(std::move(client));
    }
    starved_ = false;
    say("p2pd has ended: its streams are broken, and clients are turned away until it is back");
    return std::nullopt;
  }

  std::optional<Failure> look_for_daemon() {
    CtlResult<ipc::Client> found = context_.connection();
    if (!found) {
      if (found.error().code == ExitCode::no_daemon) return std::nullopt;
      return found.error();
    }
    // It may take a connection only to close it.
    if (!found->call("daemon.hello", json::object(), base::Clock::now() + kHelloAnswer)) return std::nullopt;
    client_ = std::move(*found);
    say("p2pd is back: clients are taken again");
    return std::nullopt;
  }

  // One answer is there, or the beginning of one.
  std::optional<Failure> answer() {
    auto read = client_->next_answer(base::Clock::now() + kForwardAnswer);
    if (!read) return lost(read.error());
    const auto found = opening_.find(read->id);
    if (found == opening_.end()) return std::nullopt;
    base::Descriptor client = std::move(found->second);
    opening_.erase(found);
    starved_ = false;
    if (!read->error) return std::nullopt;
    if (client) turn_away(std::move(client));
    say(read->error->message);
    return std::nullopt;
  }

  Context& context_;
  std::optional<ipc::Client> client_;  // none while p2pd is away
  const LocalListener listener_;
  const json params_;
  std::map<std::string, base::Descriptor> opening_;  // by request
  bool starved_ = false;                             // of descriptors
};

}  // namespace

CtlResult<ExitCode> run_forward(Context& context, const Arguments& arguments) {
  const std::string& peer = arguments.operand(1);
  const std::string& service = arguments.operand(2);
  // A peer that is not listed is not to be found out by the first client.
  const CtlResult<JsonPtr> known = context.call("peer.status", {{"peer", peer}});
  if (!known) return known.error();
  CtlResult<LocalListener> listener = LocalListener::open(arguments.operand(0));
  if (!listener) return listener.error();
  CtlResult<ipc::Client> client = context.connection();
  if (!client) return client.error();
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(context.timeout_or(std::chrono::seconds(10)));
  json params = {{"peer", field(**known, "id")},
                 {"service", service},
                 {"timeout_ms", std::max<std::int64_t>(wait.count(), 1)}};
  if (context.json()) {
    context.print_json({{"listening", listener->text()}});
  } else {
    context.out() << listener->text() << "\n" << std::flush;
  }
  context.err() << "clients of " << escape_line(listener->text()) << " reach " << escape_line(service)
                << " at " << field(**known, "name") << "\n"
                << std::flush;
  context.disconnect();
  return Forwarder(context, std::move(*client), std::move(*listener), std::move(params)).run();
}

}  // namespace p2pd::ctl
