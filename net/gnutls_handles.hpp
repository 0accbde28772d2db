// Owners of GnuTLS handles, each a unique_ptr with a stateless deleter, and what an Identity keeps in them.
// Private to net/: included from .cpp files only. Handles are not changed after they are made, so all threads
// may read and sign with them at once.
#pragma once

#include <memory>
#include <type_traits>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "net/identity.hpp"

namespace p2pd::net {

template <auto Free>
struct GnutlsDelete {
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    Free(handle);
  }
};
template <class Handle, auto Free>
using GnutlsPtr = std::unique_ptr<std::remove_pointer_t<Handle>, GnutlsDelete<Free>>;

using GnutlsPrivateKey = GnutlsPtr<gnutls_privkey_t, &gnutls_privkey_deinit>;
using GnutlsPublicKey = GnutlsPtr<gnutls_pubkey_t, &gnutls_pubkey_deinit>;
using GnutlsX509Key = GnutlsPtr<gnutls_x509_privkey_t, &gnutls_x509_privkey_deinit>;
using GnutlsCertificate = GnutlsPtr<gnutls_x509_crt_t, &gnutls_x509_crt_deinit>;
using GnutlsCredentials = GnutlsPtr<gnutls_certificate_credentials_t, &gnutls_certificate_free_credentials>;

struct Identity::Handles {
  GnutlsX509Key x509_key;
  GnutlsPrivateKey key;           // the same key, for signatures
  GnutlsCertificate certificate;  // self-signed, CN = peer ID, valid 1970 to 9999
};

// The key a certificate certifies, where it is Ed25519; what a connection pins.
[[nodiscard]] base::Result<base::PeerId> certified_key(gnutls_x509_crt_t certificate);

}  // namespace p2pd::net
