// id, version, reload, log-level, call: what concerns the daemon itself.
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

CtlResult<JsonPtr> hello(Context& context) {
  return context.call("daemon.hello", {{"client", "p2pctl"}, {"version", P2PD_VERSION}});
}

}  // namespace

CtlResult<ExitCode> run_id(Context& context, const Arguments&) {
  const CtlResult<JsonPtr> result = hello(context);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else {
    context.out() << field(**result, "peer_id") << "\n";
  }
  return ExitCode::done;
}

CtlResult<ExitCode> run_version(Context& context, const Arguments&) {
  const CtlResult<JsonPtr> result = hello(context);
  const bool running = result.has_value();
  if (!running && result.error().code != ExitCode::no_daemon) return result.error();
  if (context.json()) {
    context.print_json({{"p2pctl", P2PD_VERSION}, {"p2pd", running ? member(**result, "version") : json()}});
    return ExitCode::done;
  }
  context.out() << "p2pctl " P2PD_VERSION "\n";
  if (running) {
    context.out() << "p2pd " << field(**result, "version") << "\n";
  } else {
    context.err() << result.error().message << "\n";
  }
  return ExitCode::done;
}

CtlResult<ExitCode> run_log_level(Context& context, const Arguments& arguments) {
  const CtlResult<JsonPtr> result = context.call("log.set_level", {{"level", arguments.operand(0)}});
  if (!result) return result.error();
  return context.done(**result, "p2pd logs at level " + field(**result, "level") + " now");
}

CtlResult<ExitCode> run_reload(Context& context, const Arguments&) {
  const CtlResult<JsonPtr> result = context.call("daemon.reload", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  const auto tell = [&](const char* what, const json& options) {
    if (options.empty()) return;
    context.err() << what;
    for (const json& option : options) context.err() << " " << escape_line(option.get<std::string>());
    context.err() << "\n";
  };
  tell("changed:", member(**result, "changed"));
  tell("needs a restart of p2pd:", member(**result, "needs_restart"));
  if (member(**result, "changed").empty() && member(**result, "needs_restart").empty())
    context.err() << "the configuration is as it was\n";
  return ExitCode::done;
}

CtlResult<ExitCode> run_call(Context& context, const Arguments& arguments) {
  json params = json::object();
  if (arguments.operands().size() > 1) {
    params = json::parse(arguments.operand(1), nullptr, false);
    if (!params.is_object()) {
      return Failure{ExitCode::usage, "the parameters are a JSON object, like '{\"peer\":\"bob\"}'"};
    }
  }
  const CtlResult<JsonPtr> result = context.call(arguments.operand(0), params);
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else {
    context.out() << (*result)->dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  }
  return ExitCode::done;
}

}  // namespace p2pd::ctl
