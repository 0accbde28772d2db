// One way to have a gateway map ports, and what can go wrong with it. A PortProtocol belongs to one gateway;
// the PortMapper owns it and has one request under way at a time, on the control thread. Each call ends
// within kPortRequestLimit. How it ends: destruction, with no call under way.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/system/error_code.hpp>

#include "base/result.hpp"
#include "net/default_gateway.hpp"
#include "proto/port_mapping_frames.hpp"

namespace p2pd::net {

enum class MappingError {
  no_answer = 1,  // of the gateway, in time
  refused,        // it does not map ports (for us)
  conflict,       // the port is taken, or our mapping is not as it was
  no_room,        // its table is full for now
  malformed,      // what it answered is not the protocol
  bad_address,    // an outside address that is none
  not_supported,  // it does not speak this protocol
};

[[nodiscard]] const boost::system::error_category& mapping_category();
[[nodiscard]] boost::system::error_code make_error_code(MappingError error);
[[nodiscard]] base::Error mapping_error(MappingError error, std::string about = {});

inline constexpr std::chrono::milliseconds kPortRequestLimit{2'500};

struct MappedPort {
  proto::Endpoint external;
  std::chrono::seconds lifetime{0};  // 0: until deleted
};

class PortProtocol {
 public:
  virtual ~PortProtocol() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // pcp, nat-pmp, upnp
  // Makes or renews a mapping of request.lifetime seconds to the port of this machine. Errors: MappingError.
  [[nodiscard]] virtual boost::asio::awaitable<base::Result<MappedPort>> map(
      proto::PortMappingRequest request) = 0;
  // `external` is what map() gave.
  [[nodiscard]] virtual boost::asio::awaitable<base::Result<>> unmap(proto::PortMappingRequest request,
                                                                     proto::Endpoint external) = 0;
  // True once after the gateway has shown that it forgot all mappings (it was restarted).
  [[nodiscard]] virtual bool take_lost_state() = 0;
};

// Where the two servers of a gateway listen; other ports for tests.
struct PortProtocolPorts {
  std::uint16_t port_control = proto::kPortMappingPort;
  proto::Endpoint ssdp = *proto::Endpoint::from_text("239.255.255.250", 1900);
};

// PCP where the gateway speaks it, else NAT-PMP. Errors: no_answer, refused, not_supported.
[[nodiscard]] boost::asio::awaitable<base::Result<std::unique_ptr<PortProtocol>>> find_port_control(
    Gateway gateway, PortProtocolPorts ports);
// UPnP IGD (1 or 2). Answers, and addresses in them, of others than the gateway are left out.
[[nodiscard]] boost::asio::awaitable<base::Result<std::unique_ptr<PortProtocol>>> find_upnp(
    Gateway gateway, PortProtocolPorts ports);

}  // namespace p2pd::net

template <>
struct boost::system::is_error_code_enum<p2pd::net::MappingError> : std::true_type {};
