#include "net/relay_tls.hpp"

#include <ctime>

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

extern "C" int note_passphrase(char*, int, int, void* asked) noexcept {
  *static_cast<bool*>(asked) = true;
  return -1;
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
  // Without this OpenSSL asks the terminal for a key's passphrase, and everything waits for it.
  bool locked = false;
  SSL_CTX_set_default_passwd_cb_userdata(context->get(), &locked);
  SSL_CTX_set_default_passwd_cb(context->get(), note_passphrase);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context->get(), certificate.c_str()) != 1) {
    return bad_file("certificate", certificate);
  }
  const bool taken = SSL_CTX_use_PrivateKey_file(context->get(), key.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context->get(), nullptr);
  if (!taken && locked) {
    return base::Error(make_error_code(RelayError::bad_tls_files),
                       fmt::format("key \"{}\" has a passphrase; write it without one (openssl pkey)", key));
  }
  if (!taken) {
    return bad_file("key", key);
  }
  return context;
}

std::chrono::system_clock::time_point TlsContext::not_after() const {
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  std::tm utc{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) return {};
  const std::chrono::year_month_day day{std::chrono::year(utc.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(utc.tm_mon + 1)),
                                        std::chrono::day(static_cast<unsigned>(utc.tm_mday))};
  return std::chrono::sys_days(day) + std::chrono::hours(utc.tm_hour) + std::chrono::minutes(utc.tm_min) +
         std::chrono::seconds(utc.tm_sec);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace p2pd::net
