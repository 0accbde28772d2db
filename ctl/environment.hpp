// What p2pctl has of the world around it, so that a test can be that world. Owned by main() or a test;
// outlives the run.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace p2pd::ctl {

struct Environment {
  std::istream& in;
  std::ostream& out;  // data only
  std::ostream& err;  // everything else
  bool out_is_terminal = false;
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<void(base::Duration)> pause;  // between pings
  std::string system_socket = "/run/p2pd/p2pd.sock";
  bool err_is_terminal = false;
  // Below `in` and `out`, for commands that pass bytes on.
  int in_descriptor = 0;
  int out_descriptor = 1;
};

}  // namespace p2pd::ctl
