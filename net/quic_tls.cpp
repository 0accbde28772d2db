#include "net/quic_tls.hpp"

#include <map>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "base/assert.hpp"
#include "net/quic_connection.hpp"

namespace p2pd::net {
namespace {

constexpr std::string_view kProtocol = "p2pd/1";

// AES-128-GCM seals a packet in a tenth of ChaCha20's time, but only where the processor helps.
bool processor_has_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return false;
#endif
}

// One without AES has the last word as a server too, whatever the client likes best.
const char* priorities() {
#define P2PD_TLS_BEFORE "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"
#define P2PD_TLS_AFTER ":-GROUP-ALL:+GROUP-X25519:-SIGN-ALL:+SIGN-EDDSA-ED25519:%DISABLE_TLS13_COMPAT_MODE"
  return processor_has_aes() ? P2PD_TLS_BEFORE "+AES-128-GCM:+CHACHA20-POLY1305" P2PD_TLS_AFTER
                             : P2PD_TLS_BEFORE "+CHACHA20-POLY1305:+AES-128-GCM" P2PD_TLS_AFTER
                                               ":%SERVER_PRECEDENCE";
#undef P2PD_TLS_BEFORE
#undef P2PD_TLS_AFTER
}

base::Error failed(std::string_view step, int outcome) {
  return {make_error_code(QuicError::tls_library),
          std::string(step).append(" (").append(gnutls_strerror(outcome)).append(")")};
}

// Parsed once for all sessions: each parsed form takes 8 KB, and a session shares it.
base::Result<gnutls_priority_t> shared_priorities() {
  struct Parsed {
    gnutls_priority_t value = nullptr;
    int outcome = gnutls_priority_init(&value, priorities(), nullptr);
    ~Parsed() {
      if (outcome >= 0) gnutls_priority_deinit(value);
    }
  };
  static const Parsed parsed;
  if (parsed.outcome < 0) return failed("priorities", parsed.outcome);
  return parsed.value;
}

base::Result<SharedCredentials> make_credentials(const Identity& identity,
                                                 gnutls_certificate_verify_function* verify) {
  gnutls_certificate_credentials_t raw = nullptr;
  if (const int rv = gnutls_certificate_allocate_credentials(&raw); rv < 0) return failed("credentials", rv);
  SharedCredentials credentials(raw, GnutlsDelete<&gnutls_certificate_free_credentials>());
  gnutls_x509_crt_t certificate = identity.handles().certificate.get();
  if (const int rv = gnutls_certificate_set_x509_key(raw, &certificate, 1, identity.handles().x509_key.get());
      rv < 0) {
    return failed("certificate", rv);
  }
  gnutls_certificate_set_verify_function(raw, verify);
  return credentials;
}

// GnuTLS copies key and certificate into the credentials, some kilobytes that idle connections should not
// each have.
base::Result<SharedCredentials> shared_credentials(const std::shared_ptr<const Identity>& identity,
                                                   gnutls_certificate_verify_function* verify) {
  using Key = std::weak_ptr<const Identity>;
  using Value = std::weak_ptr<SharedCredentials::element_type>;
  static std::mutex mutex;
  static std::map<Key, Value, std::owner_less<Key>> cache;
  const std::lock_guard lock(mutex);
  if (const auto found = cache.find(identity); found != cache.end()) {
    if (SharedCredentials alive = found->second.lock()) return alive;
  }
  auto made = make_credentials(*identity, verify);
  if (!made) return made;
  std::erase_if(cache, [](const auto& entry) { return entry.second.expired(); });
  cache[identity] = *made;
  return made;
}

}  // namespace

QuicTls::QuicTls(SharedCredentials credentials, const base::PeerId& peer)
    : credentials_(std::move(credentials)), peer_(peer) {
  reference_.user_data = this;
  reference_.get_conn = [](ngtcp2_crypto_conn_ref* reference) {
    return static_cast<QuicTls*>(reference->user_data)->connection_;
  };
}

base::Result<std::unique_ptr<QuicTls>> QuicTls::create(const std::shared_ptr<const Identity>& identity,
                                                       const base::PeerId& peer, Side side) {
  P2PD_ASSERT(identity != nullptr);
  auto credentials = shared_credentials(identity, &QuicTls::verify_peer);
  if (!credentials) return credentials.error();
  std::unique_ptr<QuicTls> tls(new QuicTls(std::move(*credentials), peer));

  const bool server = side == Side::server;
  gnutls_session_t session = nullptr;
  // No tickets: nothing is resumed and there is no 0-RTT (threat-model: replay).
  if (const int rv =
          gnutls_init(&session, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_AUTO_SEND_TICKET |
                                    GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);
      rv < 0) {
    return failed("session", rv);
  }
  tls->session_.reset(session);
  const auto order = shared_priorities();
  if (!order) return order.error();
  if (const int rv = gnutls_priority_set(session, *order); rv < 0) return failed("priorities", rv);
  const gnutls_datum_t protocol{
      const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(kProtocol.data())),
      static_cast<unsigned>(kProtocol.size())};
  if (const int rv = gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY); rv < 0) {
    return failed("ALPN", rv);
  }
  if (const int rv = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials_.get());
      rv < 0) {
    return failed("credentials", rv);
  }
  if (server) {
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    // 1 means: do not send the list of accepted issuers; there is none.
    gnutls_certificate_send_x509_rdn_sequence(session, 1);
  }
  gnutls_session_set_ptr(session, &tls->reference_);
  const int configured = server ? ngtcp2_crypto_gnutls_configure_server_session(session)
                                : ngtcp2_crypto_gnutls_configure_client_session(session);
  if (configured != 0) return failed("QUIC transport parameters", GNUTLS_E_INTERNAL_ERROR);
  return tls;
}

void QuicTls::attach(ngtcp2_conn* connection) {
  connection_ = connection;
  ngtcp2_conn_set_tls_native_handle(connection, session_.get());
}

// A key update (RFC 9001 section 6) is made of secrets that ngtcp2 holds.
void QuicTls::end_session() {
  ngtcp2_conn_set_tls_native_handle(connection_, nullptr);
  session_.reset();
}

bool QuicTls::protocol_agreed() const {
  gnutls_datum_t chosen{};
  if (gnutls_alpn_get_selected_protocol(session_.get(), &chosen) < 0) return false;
  return base::as_text({chosen.data, chosen.size}) == kProtocol;
}

base::Bytes QuicTls::export_secret(std::string_view label, std::size_t size) const {
  base::Bytes secret(size);
  const int rv = gnutls_prf_rfc5705(session_.get(), label.size(), label.data(), 0, nullptr, size,
                                    reinterpret_cast<char*>(secret.data()));
  P2PD_ASSERT(rv >= 0);
  return secret;
}

// GnuTLS runs this after it has checked that the other end holds the certificate's private key.
int QuicTls::verify_peer(gnutls_session_t session) noexcept {
  auto* reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  auto& tls = *static_cast<QuicTls*>(reference->user_data);
  tls.wrong_key_ = true;
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  if (chain == nullptr || count == 0 || gnutls_certificate_type_get(session) != GNUTLS_CRT_X509) {
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  gnutls_x509_crt_t raw = nullptr;
  if (gnutls_x509_crt_init(&raw) < 0) return GNUTLS_E_CERTIFICATE_ERROR;
  const GnutlsCertificate certificate(raw);
  if (gnutls_x509_crt_import(raw, &chain[0], GNUTLS_X509_FMT_DER) < 0) return GNUTLS_E_CERTIFICATE_ERROR;
  const auto key = certified_key(raw);
  if (!key || !base::equal_constant_time(key->bytes(), tls.peer_.bytes())) return GNUTLS_E_CERTIFICATE_ERROR;
  tls.wrong_key_ = false;
  return 0;
}

bool is_authentication_alert(std::uint64_t alert) {
  switch (alert) {
    case 42:   // bad_certificate
    case 43:   // unsupported_certificate
    case 44:   // certificate_revoked
    case 45:   // certificate_expired
    case 46:   // certificate_unknown
    case 48:   // unknown_ca
    case 49:   // access_denied
    case 51:   // decrypt_error: a signature does not verify
    case 116:  // certificate_required
      return true;
    default:
      return false;
  }
}

}  // namespace p2pd::net
