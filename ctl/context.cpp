#include "ctl/context.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>

#include <grp.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace p2pd::ctl {
namespace {

using ipc::ErrorCode;
using Kind = ipc::CallError::Kind;

constexpr base::Duration kAnswer = std::chrono::seconds(30);
// How much later than the daemon we give up where both wait.
constexpr base::Duration kMargin = std::chrono::seconds(5);

bool want_colour(const Environment& environment) {
  const auto no_colour = environment.variable("NO_COLOR");
  return environment.out_is_terminal && (!no_colour || no_colour->empty()) &&
         environment.variable("TERM") != "dumb";
}

// Whom the file system lets to the socket, or into its folder, beside the owner: the group that is to be
// joined; empty when there is none.
std::string group_let_in(const std::string& path) {
  struct stat about {};
  mode_t needed = S_IWGRP;
  if (::stat(path.c_str(), &about) != 0) {
    needed = S_IXGRP;
    if (::stat(std::filesystem::path(path).parent_path().c_str(), &about) != 0) return {};
  }
  if ((about.st_mode & needed) == 0 || about.st_gid == 0) return {};
  const group* const found = ::getgrgid(about.st_gid);
  return found == nullptr ? std::to_string(about.st_gid) : found->gr_name;
}

std::string way_in(const std::string& path) {
  const std::string group = escape_line(group_let_in(path));
  std::string out = "run p2pctl as the user that runs p2pd, or as root";
  if (!group.empty())
    out +=
        ", or join the group " + group + " (as root: usermod -aG " + group + " YOUR-NAME; then log in anew)";
  return out;
}

}  // namespace

Context::Context(Environment& environment, GlobalOptions options)
    : environment_(environment),
      options_(std::move(options)),
      end_(options_.timeout ? base::Clock::now() + *options_.timeout : base::kNever),
      paint_(want_colour(environment)) {}

base::Duration Context::timeout_or(base::Duration otherwise) const {
  return options_.timeout.value_or(otherwise);
}

CtlResult<JsonPtr> Context::call(std::string_view method, const nlohmann::json& params,
                                 std::optional<base::TimePoint> deadline, int descriptor) {
  const CtlResult<void> connected = connect();
  if (!connected) return connected.error();
  const base::TimePoint until = deadline.value_or(options_.timeout ? end_ : base::Clock::now() + kAnswer);
  ipc::CallResult<JsonPtr> result = client_->call(method, params, until, descriptor);
  if (!result) return to_failure(result.error());
  if (!(*result)->is_object())
    return Failure{ExitCode::refused, "p2pd's answer is not an object: is it p2pd?"};
  return std::move(*result);
}

CtlResult<JsonPtr> Context::call_waiting(std::string_view method, nlohmann::json params,
                                         base::Duration wait) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  params["timeout_ms"] = std::max<std::int64_t>(ms, 1);
  return call(method, params, base::Clock::now() + wait + kMargin);
}

CtlResult<JsonPtr> Context::next_event(base::TimePoint deadline) {
  const CtlResult<void> connected = connect();
  if (!connected) return connected.error();
  ipc::CallResult<ipc::Notification> event = client_->next(deadline);
  if (!event) return to_failure(event.error());
  return std::move(event->params);
}

CtlResult<void> Context::subscribe(const std::vector<std::string>& topics,
                                   const std::optional<std::string>& peer) {
  return subscribe_to(topics, peer ? std::vector<std::string>{*peer} : std::vector<std::string>());
}

CtlResult<void> Context::subscribe_to(const std::vector<std::string>& topics,
                                      const std::vector<std::string>& peers) {
  nlohmann::json params = {{"topics", topics}};
  if (!peers.empty()) params["peers"] = peers;
  const CtlResult<JsonPtr> result = call("events.subscribe", params);
  if (!result) return result.error();
  return {};
}

void Context::print_json(const nlohmann::json& value) { out() << ipc::to_line(value) << "\n" << std::flush; }

std::vector<std::string> Context::socket_paths() const {
  if (options_.socket) return {*options_.socket};
  if (const auto named = environment_.variable("P2PD_SOCKET"); named && !named->empty()) return {*named};
  std::vector<std::string> paths;
  if (const auto folder = environment_.variable("XDG_RUNTIME_DIR"); folder && !folder->empty()) {
    paths.push_back(*folder + "/p2pd/p2pd.sock");
  }
  paths.push_back(environment_.system_socket);
  return paths;
}

ExitCode Context::done(const nlohmann::json& result, std::string_view sentence) {
  if (options_.json) {
    print_json(result);
  } else {
    err() << sentence << "\n";
  }
  return ExitCode::done;
}

CtlResult<void> Context::connect() {
  if (client_) return {};
  CtlResult<ipc::Client> client = connection();
  if (!client) return client.error();
  client_ = std::move(*client);
  return {};
}

CtlResult<ipc::Client> Context::connection() {
  const std::vector<std::string> paths = socket_paths();
  std::string tried;
  for (const std::string& path : paths) {
    ipc::CallResult<ipc::Client> client = ipc::Client::connect(path);
    if (client) return std::move(*client);
    if (client.error().kind == Kind::no_access)
      return Failure{ExitCode::not_permitted, escape_line(client.error().message) + ": " + way_in(path)};
    if (client.error().kind != Kind::no_daemon) return to_failure(client.error());
    tried += (tried.empty() ? "" : " or ") + escape_line(path);
  }
  const bool system_only = paths.size() == 1 && paths.front() == environment_.system_socket;
  return Failure{ExitCode::no_daemon, "no p2pd is running at " + tried + ": start it with `systemctl " +
                                          (system_only ? "" : "--user ") + "start p2pd`, or give --socket"};
}

Failure Context::to_failure(const ipc::CallError& error) const {
  const std::string message = escape_line(error.message);
  switch (error.kind) {
    case Kind::no_daemon:
      return {ExitCode::no_daemon, message};
    case Kind::no_access:
      return {ExitCode::not_permitted, message};
    case Kind::timeout:
      return {ExitCode::timeout, message + ": try again, with a longer --timeout"};
    case Kind::disconnected:
      return {ExitCode::no_daemon, message + ": it may be stopping, see its log"};
    case Kind::bad_answer:
      return {ExitCode::refused, message};
    case Kind::refused:
      break;
  }
  ExitCode code = ExitCode::refused;
  if (error.api.code == ErrorCode::timeout) code = ExitCode::timeout;
  if (error.api.code == ErrorCode::not_permitted) code = ExitCode::not_permitted;
  return {code, message};
}

}  // namespace p2pd::ctl
