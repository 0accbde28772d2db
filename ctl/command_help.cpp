// help: all of it comes from the table.
#include <ostream>

#include "ctl/command.hpp"

namespace p2pd::ctl {
namespace {

std::vector<std::vector<std::string>> option_rows(std::span<const Option> options) {
  std::vector<std::vector<std::string>> rows;
  for (const Option& option : options) {
    std::string name = "  " + std::string(option.name);
    if (!option.argument.empty()) name.append(" ").append(option.argument);
    rows.push_back({std::move(name), std::string(option.help)});
  }
  return rows;
}

void print_all(std::ostream& out) {
  const Paint plain(false);
  out << "p2pctl talks to p2pd, which connects this machine with its peers.\n\nusage: p2pctl [OPTION]... "
         "COMMAND "
         "[ARGUMENT]...\n\ncommands:\n";
  std::vector<std::vector<std::string>> rows;
  for (const Command& command : commands()) {
    rows.push_back({"  " + std::string(command.name), std::string(command.summary)});
  }
  print_table(out, rows, plain);
  out << "\noptions:\n";
  print_table(out, option_rows(global_options()), plain);
  out << "\nexit status: 0 done, 1 the daemon said no, 2 no daemon, 3 usage, 4 not permitted, 5 timed out,\n"
         "6 connected but not direct where direct was asked for\n\n`p2pctl help COMMAND` explains one.\n";
}

}  // namespace

CtlResult<ExitCode> run_help_for(Context& context, const Command* command) {
  if (command == nullptr) {
    print_all(context.out());
    return ExitCode::done;
  }
  context.out() << "usage: p2pctl " << command->name << (command->usage.empty() ? "" : " ") << command->usage
                << "\n\n"
                << command->summary << "\n";
  if (!command->options.empty()) {
    context.out() << "\noptions:\n";
    print_table(context.out(), option_rows(command->options), Paint(false));
  }
  return ExitCode::done;
}

CtlResult<ExitCode> run_help(Context& context, const Arguments& arguments) {
  if (arguments.operands().empty()) return run_help_for(context, nullptr);
  const Command* const command = find_command(arguments.operand(0));
  if (command == nullptr) {
    return Failure{ExitCode::usage, "there is no command '" + escape_line(arguments.operand(0)) +
                                        "': `p2pctl help` lists all"};
  }
  return run_help_for(context, command);
}

}  // namespace p2pd::ctl
