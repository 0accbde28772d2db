#include "net/default_gateway.hpp"

namespace p2pd::net {

std::optional<Gateway> default_gateway() { return std::nullopt; }

}  // namespace p2pd::net
