#include "base/result.hpp"

#include <boost/system/system_error.hpp>

namespace p2pd::base {

std::string Error::message() const {
  if (context.empty()) return code.message();
  return code ? context + ": " + code.message() : context;
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw boost::system::system_error(error.code, error.context);
}

Error errno_error(int errno_value, std::string context) {
  return {boost::system::error_code(errno_value, boost::system::generic_category()), std::move(context)};
}

}  // namespace p2pd::base
