#include "net/port_protocol.hpp"

#include <string>
#include <utility>

namespace p2pd::net {
namespace {

class MappingCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.mapping"; }

  std::string message(int value) const override {
    switch (static_cast<MappingError>(value)) {
      case MappingError::no_answer:
        return "the gateway does not answer";
      case MappingError::refused:
        return "the gateway refuses to map ports; allow UPnP or PCP in its settings";
      case MappingError::conflict:
        return "the gateway has the port in use";
      case MappingError::no_room:
        return "the gateway has no room for another mapping";
      case MappingError::malformed:
        return "the gateway's answer cannot be understood";
      case MappingError::bad_address:
        return "the gateway names an outside address that cannot be one";
      case MappingError::not_supported:
        return "the gateway does not speak this protocol";
    }
    return "unknown";
  }
};

}  // namespace

const boost::system::error_category& mapping_category() {
  static const MappingCategory category;
  return category;
}

boost::system::error_code make_error_code(MappingError error) {
  return {static_cast<int>(error), mapping_category()};
}

base::Error mapping_error(MappingError error, std::string about) { return {error, std::move(about)}; }

}  // namespace p2pd::net
