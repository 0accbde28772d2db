#include "daemon/descriptor_name.hpp"

namespace p2pd::daemon {

std::string descriptor_name(int) { return ""; }

}  // namespace p2pd::daemon
