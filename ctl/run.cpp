#include "ctl/run.hpp"

#include <cstdlib>
#include <ostream>

#include <nlohmann/json.hpp>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

CtlResult<GlobalOptions> read_global(const Arguments& arguments) {
  GlobalOptions out;
  out.socket = arguments.value("--socket");
  out.json = arguments.has("--json");
  if (const auto text = arguments.value("--timeout")) {
    char* end = nullptr;
    const double seconds = std::strtod(text->c_str(), &end);
    // A year is as good as for ever; the comparison is false for NaN too.
    if (text->empty() || *end != '\0' || !(seconds > 0 && seconds <= 31'536'000)) {
      return Failure{ExitCode::usage,
                     "--timeout takes a number of seconds above 0, not '" + escape_line(*text) + "'"};
    }
    out.timeout = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
  }
  return out;
}

CtlResult<ExitCode> dispatch(const std::vector<std::string>& words, Environment& environment) {
  const CtlResult<CommandLine> line = parse_command_line(words, global_options(), commands());
  if (!line) return line.error();
  const CtlResult<GlobalOptions> options = read_global(line->global);
  if (!options) return options.error();
  Context context(environment, *options);
  if (line->global.has("--version")) {
    environment.out << "p2pctl " P2PD_VERSION "\n";
    return ExitCode::done;
  }
  if (line->global.has("--help") || line->global.has("-h")) return run_help_for(context, line->command);
  if (line->command == nullptr) {
    return Failure{ExitCode::usage, "no command is given: `p2pctl help` lists all"};
  }
  return line->command->run(context, line->arguments);
}

}  // namespace

ExitCode run(const std::vector<std::string>& words, Environment& environment) {
  CtlResult<ExitCode> result = ExitCode::done;
  try {
    result = dispatch(words, environment);
  } catch (const nlohmann::json::exception&) {
    // The daemon's answer has another shape than this version expects.
    result =
        Failure{ExitCode::refused, "p2pd's answer is not understood: are p2pctl and p2pd of one version?"};
  }
  environment.out.flush();
  if (result) return *result;
  environment.err << "p2pctl: " << result.error().message << "\n";
  return result.error().code;
}

}  // namespace p2pd::ctl
