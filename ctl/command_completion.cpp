// completion: prints the script for a shell. Needs no daemon; the script asks one for the peers' names.
#include <ostream>

#include "ctl/command.hpp"
#include "ctl/completion.hpp"

namespace p2pd::ctl {

CtlResult<ExitCode> run_completion(Context& context, const Arguments& arguments) {
  const std::string& shell = arguments.operand(0);
  if (shell == "bash") {
    context.out() << bash_completion();
  } else if (shell == "zsh") {
    context.out() << zsh_completion();
  } else if (shell == "fish") {
    context.out() << fish_completion();
  } else {
    return Failure{ExitCode::usage, "there is completion for bash, zsh and fish, not for '" +
                                        escape_line(shell) + "'; try `p2pctl completion bash`"};
  }
  return ExitCode::done;
}

}  // namespace p2pd::ctl
