#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "proto/port_mapping_frames.hpp"

using namespace p2pd;

// The first byte chooses the parser.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const base::ByteView input(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto reply = proto::parse_port_mapping_reply(input);
    if (!reply) {
      P2PD_ASSERT(!reply.error().message().empty());
      return 0;
    }
    P2PD_ASSERT(!proto::result_text(*reply).empty());
    P2PD_ASSERT(proto::canonical(reply->external) == reply->external);
    return 0;
  }
  const auto url = proto::parse_ssdp_reply(base::as_text(input));
  if (!url) return 0;
  P2PD_ASSERT(url->endpoint.port != 0 && url->target.starts_with('/'));
  P2PD_ASSERT(proto::GatewayUrl::parse("http://" + url->endpoint.text() + url->target) == url);
  return 0;
}
