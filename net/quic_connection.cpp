#include "net/quic_connection.hpp"

#include <utility>

#include "net/quic_ngtcp2.hpp"

namespace p2pd::net {
namespace {

class QuicCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "p2pd.quic"; }
  std::string message(int value) const override {
    switch (static_cast<QuicError>(value)) {
      case QuicError::not_initial:
        return "not the first packet of a QUIC version 1 connection";
      case QuicError::tls_library:
        return "GnuTLS cannot set up a TLS 1.3 session; check the system's crypto policy";
      case QuicError::quic_library:
        return "ngtcp2 cannot set up a connection";
      case QuicError::not_open:
        return "the connection is not confirmed yet, or closed";
      case QuicError::stream_limit:
        return "the peer allows no more streams now; close some first";
    }
    return "QUIC error";
  }
};

}  // namespace

boost::system::error_code make_error_code(QuicError error) {
  static const QuicCategory category;
  return {static_cast<int>(error), category};
}

std::optional<PacketHeader> parse_packet_header(base::ByteView packet) {
  if (packet.empty()) return std::nullopt;
  ngtcp2_version_cid fields{};
  if (ngtcp2_pkt_decode_version_cid(&fields, packet.data(), packet.size(), kConnectionIdSize) != 0 ||
      fields.dcidlen != kConnectionIdSize) {
    return std::nullopt;
  }
  // RFC 9000 17.2: the form bit, then (the fixed bit is greased, RFC 9287) two bits of type; 0 is Initial.
  const bool long_form = (packet[0] & 0x80) != 0;
  if (long_form && fields.version != NGTCP2_PROTO_VER_V1) return std::nullopt;
  return PacketHeader{long_form && (packet[0] & 0x30) == 0, {fields.dcid, fields.dcidlen}};
}

base::Result<std::unique_ptr<QuicConnection>> QuicConnection::dial(QuicConfig config, QuicEvents& events,
                                                                   base::TimePoint now) {
  return Ngtcp2Connection::create(std::move(config), events, nullptr, now);
}

base::Result<std::unique_ptr<QuicConnection>> QuicConnection::accept(QuicConfig config, QuicEvents& events,
                                                                     base::ByteView initial,
                                                                     base::TimePoint now) {
  ngtcp2_pkt_hd header{};
  if (initial.empty() || ngtcp2_accept(&header, initial.data(), initial.size()) != 0 ||
      header.version != NGTCP2_PROTO_VER_V1 || header.dcid.datalen != kConnectionIdSize) {
    return base::Error(make_error_code(QuicError::not_initial));
  }
  return Ngtcp2Connection::create(std::move(config), events, &header, now);
}

}  // namespace p2pd::net
