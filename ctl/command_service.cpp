// expose, unexpose, services: what peers may use here.
#include <filesystem>
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

using nlohmann::json;

constexpr std::string_view kUnixPrefix = "unix:";

// A path means what it means to the caller, not to the daemon.
std::string absolute_target(const std::string& target) {
  if (!target.starts_with(kUnixPrefix) || target.size() == kUnixPrefix.size()) return target;
  std::error_code failed;
  const auto whole = std::filesystem::absolute(target.substr(kUnixPrefix.size()), failed);
  return failed ? target : std::string(kUnixPrefix) + whole.lexically_normal().string();
}

// A program may come later, a slip of the pen stays: worth a word, no refusal.
bool names_nothing(const std::string& target) {
  std::error_code failed;
  return target.starts_with(kUnixPrefix) &&
         std::filesystem::status(target.substr(kUnixPrefix.size()), failed).type() ==
             std::filesystem::file_type::not_found;
}

std::string allowed_names(const json& allow) {
  std::string out;
  for (const json& peer : allow) out += (out.empty() ? "" : ", ") + field(peer, "name");
  return out.empty() ? "nobody" : out;
}

CtlResult<ExitCode> conclude_service(Context& context, const CtlResult<JsonPtr>& result,
                                     const std::string& sentence) {
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
  } else {
    context.err() << sentence << "\n";
  }
  return ExitCode::done;
}

}  // namespace

CtlResult<ExitCode> run_expose(Context& context, const Arguments& arguments) {
  const std::string& service = arguments.operand(0);
  const std::string target = absolute_target(arguments.operand(1));
  const std::vector<std::string> allow = arguments.values("--allow");
  const CtlResult<JsonPtr> result =
      context.call("service.expose", {{"service", service}, {"target", target}, {"allow", allow}});
  std::string sentence = "exposed " + escape_line(service) + " at " + escape_line(target);
  if (allow.empty()) sentence += "; nobody may use it yet: name peers with --allow";
  if (names_nothing(target)) sentence += "; there is no such socket yet: until then peers are refused";
  return conclude_service(context, result, sentence);
}

CtlResult<ExitCode> run_unexpose(Context& context, const Arguments& arguments) {
  const std::string& service = arguments.operand(0);
  return conclude_service(context, context.call("service.unexpose", {{"service", service}}),
                          escape_line(service) + " is exposed no more");
}

CtlResult<ExitCode> run_services(Context& context, const Arguments&) {
  const CtlResult<JsonPtr> result = context.call("service.list", json::object());
  if (!result) return result.error();
  if (context.json()) {
    context.print_json(**result);
    return ExitCode::done;
  }
  std::vector<std::vector<std::string>> rows{{"SERVICE", "TARGET", "FOR", "STREAMS"}};
  for (const json& service : member(**result, "services")) {
    const bool exposed = member(service, "target").is_string();
    rows.push_back({field(service, "service"),
                    exposed ? field(service, "target") : field(service, "listening") + " listening",
                    exposed ? allowed_names(member(service, "allow")) : "as its program says",
                    field(service, "streams")});
  }
  if (rows.size() == 1) {
    context.err() << "no services; `p2pctl expose SERVICE TARGET --allow P` makes one\n";
  } else {
    print_table(context.out(), rows, context.paint());
  }
  return ExitCode::done;
}

}  // namespace p2pd::ctl
