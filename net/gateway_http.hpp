// One HTTP exchange with a gateway, which is a stranger: only with the address that is given, no redirects, a
// bounded answer, a deadline. Control thread.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/result.hpp"
#include "proto/port_mapping_frames.hpp"

namespace p2pd::net {

struct GatewayHttpAnswer {
  unsigned status = 0;
  std::string body;  // at most 64 KiB
};

// GET where `body` is empty, else POST of a SOAP call. Errors (MappingError): no_answer, malformed.
[[nodiscard]] boost::asio::awaitable<base::Result<GatewayHttpAnswer>> ask_gateway(proto::GatewayUrl url,
                                                                                  std::string soap_action,
                                                                                  std::string body);

}  // namespace p2pd::net
