#include "net/relay_tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/assert.hpp"
#include "net/relay_error.hpp"

namespace p2pd::net {
namespace {

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  if (code != 0 && ERR_SYSTEM_ERROR(code))
    return std::error_code(ERR_GET_REASON(code), std::generic_category()).message();
  return text == nullptr ? "unknown reason" : text;
}

base::Error bad_file(std::string_view what, const std::string& file) {
  return {make_error_code(RelayError::bad_tls_files),
          fmt::format("{} \"{}\" ({})", what, file, openssl_reason())};
}

ssl_ctx_st* make_context(const SSL_METHOD* method) {
  ssl_ctx_st* context = SSL_CTX_new(method);
  P2PD_ASSERT(context != nullptr);
  // RFC 9266: an exporter binds a session safely from TLS 1.3 on.
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  // A session waits most of its life: its 34 KiB of record buffers are given back between records.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace

base::Result<std::shared_ptr<const TlsContext>> TlsContext::client(const std::string& ca_file) {
  std::shared_ptr<const TlsContext> context(new TlsContext(make_context(TLS_client_method())));
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  ERR_clear_error();
  if (ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context->get());
  } else if (SSL_CTX_load_verify_file(context->get(), ca_file.c_str()) != 1) {
    return bad_file("CA file", ca_file);
  }
  return context;
}

base::Result<std::shared_ptr<const TlsContext>> TlsContext::server(const std::string& certificate,
                                                                   const std::string& key) {
  std::shared_ptr<const TlsContext> context(new TlsContext(make_context(TLS_server_method())));
  // Nothing is resumed: no tickets to make, send and remember, and no 0-RTT data.
  SSL_CTX_set_num_tickets(context->get(), 0);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context->get(), certificate.c_str()) != 1) {
    return bad_file("certificate", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context->get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("key", key);
  }
  return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace p2pd::net
