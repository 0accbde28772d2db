// p2pctl: talks to p2pd over its socket.
#include <cstdlib>
#include <iostream>
#include <thread>

#include <unistd.h>

#include "ctl/run.hpp"

int main(int argc, char** argv) {
  using namespace p2pd;
  ctl::Environment environment{std::cin, std::cout, std::cerr, ::isatty(STDOUT_FILENO) == 1, {}, {}};
  environment.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  environment.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  environment.pause = [](base::Duration duration) { std::this_thread::sleep_for(duration); };
  return static_cast<int>(ctl::run(std::vector<std::string>(argv + 1, argv + argc), environment));
}
