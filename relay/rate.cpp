#include "relay/rate.hpp"

#include <string_view>

namespace p2pd::relay {

AddressPrefix AddressPrefix::of(const boost::asio::ip::address& address) {
  AddressPrefix out;
  if (address.is_v4() || address.to_v6().is_v4_mapped()) {
    const auto v4 = address.is_v4()
                        ? address.to_v4()
                        : boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
    const auto bytes = v4.to_bytes();
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
    return out;
  }
  out.v6 = true;
  const auto bytes = address.to_v6().to_bytes();
  std::copy_n(bytes.begin(), out.bytes.size(), out.bytes.begin());
  return out;
}

std::size_t AddressPrefixHash::operator()(const AddressPrefix& prefix) const noexcept {
  const std::string_view bytes(reinterpret_cast<const char*>(prefix.bytes.data()), prefix.bytes.size());
  return std::hash<std::string_view>{}(bytes) ^ static_cast<std::size_t>(prefix.v6);
}

}  // namespace p2pd::relay
