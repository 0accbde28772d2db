// The TLS 1.3 half of one QUIC connection (RFC 9001): a GnuTLS session that shows this machine's certificate
// and accepts exactly one key. Credentials are shared by all sessions of an identity. Owned by its
// connection, used on its thread, alive as long as the ngtcp2_conn that it is attached to. Private to net/:
// included from .cpp files only.
#pragma once

#include <memory>
#include <string_view>

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "base/result.hpp"
#include "net/gnutls_handles.hpp"
#include "net/identity.hpp"

namespace p2pd::net {

enum class Side { client, server };

using GnutlsSession = GnutlsPtr<gnutls_session_t, &gnutls_deinit>;
using SharedCredentials = std::shared_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>>;

class QuicTls {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<QuicTls>> create(
      const std::shared_ptr<const Identity>& identity, const base::PeerId& peer, Side side);
  QuicTls(const QuicTls&) = delete;
  QuicTls& operator=(const QuicTls&) = delete;

  // Joins the session and the connection, both ways.
  void attach(ngtcp2_conn* connection);
  // After the handshake: the other end chose "p2pd/1" too. GnuTLS does not look when it chose nothing.
  [[nodiscard]] bool protocol_agreed() const;
  // The other end showed a certificate whose key is not the pinned one.
  [[nodiscard]] bool wrong_key() const { return wrong_key_; }
  // After the handshake: frees the session, 15 KB. From then on only wrong_key() may be asked; not from
  // inside ngtcp2.
  void end_session();
  [[nodiscard]] bool session_ended() const { return session_ == nullptr; }
  // RFC 5705 with an empty context. After the handshake, before end_session().
  [[nodiscard]] base::Bytes export_secret(std::string_view label, std::size_t size) const;

 private:
  QuicTls(SharedCredentials credentials, const base::PeerId& peer);
  static int verify_peer(gnutls_session_t session) noexcept;

  SharedCredentials credentials_;
  GnutlsSession session_;
  ngtcp2_crypto_conn_ref reference_{};
  ngtcp2_conn* connection_ = nullptr;
  base::PeerId peer_;
  bool wrong_key_ = false;
};

// TLS alerts (RFC 8446 6.2) by which an end says that it does not accept the other's certificate.
[[nodiscard]] bool is_authentication_alert(std::uint64_t alert);

}  // namespace p2pd::net
