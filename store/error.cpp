#include "store/error.hpp"

#include <utility>

namespace p2pd::store {
namespace {

class StoreCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.store"; }

  std::string message(int value) const override {
    switch (static_cast<StoreError>(value)) {
      case StoreError::disk_full:
        return "the disk is full; free some space, no restart is needed";
      case StoreError::read_only:
        return "the database cannot be written; check its permissions and its file system";
      case StoreError::io:
        return "the disk reports an error; check the disk and the kernel's log";
      case StoreError::corrupt:
        return "the database is damaged; restart p2pd, which sets it aside and makes a new one";
      case StoreError::cannot_open:
        return "the database cannot be opened; check the state folder and its permissions";
      case StoreError::newer_version:
        return "upgrade p2pd or use another --state-dir";
      case StoreError::foreign:
        return "move it away or use another --state-dir";
      case StoreError::locked:
        return "in use by another p2pd: stop that one or use another --state-dir";
      case StoreError::not_found:
        return "check the name or the ID";
      case StoreError::name_taken:
        return "another peer has this name; choose another or remove that peer first";
      case StoreError::already_exists:
        return "this ID is already in use";
      case StoreError::quota:
        return "the peer's queue is full; wait until it has been emptied, or cancel something";
      case StoreError::invalid:
        return "this cannot be stored";
      case StoreError::overloaded:
        return "too much waits to be written; try again in a moment";
      case StoreError::cancelled:
        return "the store is stopped";
      case StoreError::internal:
        return "an internal error of the store; please report it";
    }
    return "unknown error of the store";
  }

  boost::system::error_condition default_error_condition(int value) const noexcept override {
    if (static_cast<StoreError>(value) == StoreError::cancelled) {
      return boost::system::errc::make_error_condition(boost::system::errc::operation_canceled);
    }
    return {value, *this};
  }
};

}  // namespace

const boost::system::error_category& store_category() {
  static const StoreCategory category;
  return category;
}

boost::system::error_code make_error_code(StoreError error) {
  return {static_cast<int>(error), store_category()};
}

base::Error store_error(StoreError error, std::string about) {
  return {make_error_code(error), std::move(about)};
}

}  // namespace p2pd::store
