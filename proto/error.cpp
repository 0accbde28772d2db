#include "proto/error.hpp"

#include <utility>

namespace p2pd::proto {
namespace {

class FrameCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.frame"; }
  std::string message(int value) const override {
    switch (static_cast<FrameError>(value)) {
      case FrameError::truncated:
        return "it ends too early";
      case FrameError::trailing_bytes:
        return "it has bytes past its end";
      case FrameError::too_large:
        return "it is over the size limit";
      case FrameError::unknown_type:
        return "its type is not known here";
      case FrameError::bad_value:
        return "a field is out of range";
      case FrameError::version:
        return "the other side speaks another version of the protocol; update the older program";
      case FrameError::forged:
        return "its authentication code is wrong";
      case FrameError::replayed:
        return "it was received before, or is too old to tell";
    }
    return "malformed";
  }
};

}  // namespace

const boost::system::error_category& frame_category() {
  static const FrameCategory category;
  return category;
}

boost::system::error_code make_error_code(FrameError error) {
  return {static_cast<int>(error), frame_category()};
}

base::Error frame_error(FrameError error, std::string about) { return {error, std::move(about)}; }

}  // namespace p2pd::proto
