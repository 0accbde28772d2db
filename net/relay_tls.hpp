// TLS 1.3 for relay connections, with OpenSSL. A context is made once and shared by the connections; a
// replaced certificate is a new context. Immutable; any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/result.hpp"

struct ssl_ctx_st;

namespace p2pd::net {

class TlsContext {
 public:
  // For dialling: the other end's certificate is checked against `ca_file` (PEM), or the system's store when
  // that is empty. Error: the file cannot be used.
  [[nodiscard]] static base::Result<std::shared_ptr<const TlsContext>> client(const std::string& ca_file);
  // For listening: PEM files of the certificate with its chain, and of its key, without a passphrase. Error:
  // which file, and why.
  [[nodiscard]] static base::Result<std::shared_ptr<const TlsContext>> server(const std::string& certificate,
                                                                              const std::string& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // The end of our own certificate's validity (RFC 5280 4.1.2.5); the epoch without one.
  [[nodiscard]] std::chrono::system_clock::time_point not_after() const;

  [[nodiscard]] ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
};

}  // namespace p2pd::net
