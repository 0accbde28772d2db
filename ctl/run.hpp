// One run of p2pctl: reads the words of the command line, runs the command, prints what failed.
#pragma once

#include <string>
#include <vector>

#include "ctl/environment.hpp"
#include "ctl/exit_code.hpp"

namespace p2pd::ctl {

// `words` without the program's name.
[[nodiscard]] ExitCode run(const std::vector<std::string>& words, Environment& environment);

}  // namespace p2pd::ctl
