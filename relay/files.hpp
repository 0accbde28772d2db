// The files of the relay that may change while it runs: whom it serves, and its certificate with the key.
// Read at start and at SIGHUP. Owned by the server, on its thread; connections hold the TLS context they
// began with.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/relay_tls.hpp"
#include "relay/access.hpp"

namespace p2pd::relay {

class Files {
 public:
  // `access` as Access::load takes it; no certificate: plain ws.
  Files(std::string access, std::string certificate, std::string key);

  // Everything, or an error that names the file; then nothing is changed.
  [[nodiscard]] base::Result<> load();
  // Each part by itself: one that cannot be used stays as it was, and the error says which and why. A broken
  // certificate must not keep a key that was taken off the list, nor the other way round.
  [[nodiscard]] base::Result<> reload();

  [[nodiscard]] const Access& access() const { return access_; }
  // Null for plain ws.
  [[nodiscard]] const std::shared_ptr<const net::TlsContext>& tls() const { return tls_; }

 private:
  [[nodiscard]] base::Result<std::shared_ptr<const net::TlsContext>> load_tls() const;

  std::string access_rule_;
  std::string certificate_;
  std::string key_;
  Access access_;
  std::shared_ptr<const net::TlsContext> tls_;
};

}  // namespace p2pd::relay
