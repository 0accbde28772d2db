#include "net/crypto.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/assert.hpp"

namespace p2pd::net {

Sha256 hmac_sha256(base::ByteView key, base::ByteView data) {
  Sha256 out;
  const int outcome =
      gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), data.data(), data.size(), out.data());
  P2PD_ASSERT(outcome == 0);
  return out;
}

Sha256 sha256(base::ByteView data) {
  Sha256 out;
  const int outcome = gnutls_hash_fast(GNUTLS_DIG_SHA256, data.data(), data.size(), out.data());
  P2PD_ASSERT(outcome == 0);
  return out;
}

}  // namespace p2pd::net
