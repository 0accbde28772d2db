// How p2pctl ends, and the failure a command ends with. The numbers are a contract: scripts test them. Plain
// values; one thread, as everything in ctl/.
#pragma once

#include <string>
#include <utility>

#include <boost/system/result.hpp>

namespace p2pd::ctl {

enum class ExitCode : int {
  done = 0,
  refused = 1,  // the daemon said no
  no_daemon = 2,
  usage = 3,
  not_permitted = 4,
  timeout = 5,
  not_direct = 6,  // connected, but not directly where that was asked for
};

// The sentence goes to standard error.
struct Failure {
  ExitCode code = ExitCode::refused;
  std::string message;

  Failure() = default;  // boost::system::result wants it
  Failure(ExitCode how, std::string sentence) : code(how), message(std::move(sentence)) {}
};

template <class T>
using CtlResult = boost::system::result<T, Failure>;

}  // namespace p2pd::ctl
