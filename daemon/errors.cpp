#include "daemon/errors.hpp"

namespace p2pd::daemon {
namespace {

class Category final : public boost::system::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "p2pd"; }
  [[nodiscard]] std::string message(int value) const override {
    return std::string(ipc::reason_of(static_cast<ErrorCode>(value)));
  }
};

const Category& category() {
  static const Category instance;
  return instance;
}

}  // namespace

base::Error make_error(ErrorCode code, std::string sentence) {
  return {boost::system::error_code(static_cast<int>(code), category()), std::move(sentence)};
}

ipc::ApiError to_api_error(const base::Error& error, ErrorCode otherwise) {
  if (error.code.category() == category()) return {static_cast<ErrorCode>(error.code.value()), error.context};
  return {otherwise, error.message()};
}

}  // namespace p2pd::daemon
