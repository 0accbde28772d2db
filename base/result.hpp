// Result<T>: what a function returns that fails in normal use. An Error is a code (an enum of the folder it
// comes from, through its boost error_category) and a context: a phrase about this one failure. Exceptions
// are kept for start-up and for coroutine trees whose owner catches them. Plain values; any thread.
#pragma once

#include <string>
#include <utility>

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace p2pd::base {

struct Error {
  boost::system::error_code code;
  std::string context;  // may be empty

  Error() = default;
  Error(boost::system::error_code error, std::string about = {}) : code(error), context(std::move(about)) {}

  // "context: text of the code", the sentence shown to a user.
  [[nodiscard]] std::string message() const;
};

template <class T = void>
using Result = boost::system::result<T, Error>;

// Called by Result::value() on an error; throws boost::system::system_error with the full message.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

// An Error of errno's value.
[[nodiscard]] Error errno_error(int errno_value, std::string context);

}  // namespace p2pd::base
