// p2pctl as a table: one row a command. The functions live in command_*.cpp; each returns how the program
// ends. Static for the life of the program.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "ctl/arguments.hpp"
#include "ctl/context.hpp"
#include "ctl/exit_code.hpp"

namespace p2pd::ctl {

struct Command {
  std::string_view name;
  std::string_view usage;  // what follows the name
  std::string_view summary;
  std::span<const Option> options;
  std::size_t min_operands = 0;
  std::size_t max_operands = 0;
  CtlResult<ExitCode> (*run)(Context& context, const Arguments& arguments) = nullptr;
};

[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] std::span<const Option> global_options();
[[nodiscard]] const Command* find_command(std::string_view name);

// What `help` prints: of one command, or of all for null.
CtlResult<ExitCode> run_help_for(Context& context, const Command* command);

CtlResult<ExitCode> run_accept(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_bundle(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_call(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_completion(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_connect(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_disconnect(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_doctor(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_expose(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_file(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_forward(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_help(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_history(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_id(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_invite(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_log_level(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_nc(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_netcheck(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_outbox(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_peer(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_ping(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_recv(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_reload(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_send(Context& context, const Arguments& arguments);
// `send P --file PATH`; command_message.cpp's run_send comes here.
CtlResult<ExitCode> run_send_file(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_services(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_status(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_unexpose(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_version(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_wait(Context& context, const Arguments& arguments);
CtlResult<ExitCode> run_watch(Context& context, const Arguments& arguments);

}  // namespace p2pd::ctl
