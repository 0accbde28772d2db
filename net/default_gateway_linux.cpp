#include <fstream>
#include <iterator>
#include <string>

#include "net/default_gateway.hpp"

namespace p2pd::net {

std::optional<Gateway> default_gateway() {
  std::ifstream in("/proc/net/route");
  const std::string table{std::istreambuf_iterator<char>(in), {}};
  const auto address = gateway_of_route_table(table);
  if (!address) return std::nullopt;
  const auto local = source_address(*address);
  if (!local) return std::nullopt;
  return Gateway{*address, *local};
}

}  // namespace p2pd::net
