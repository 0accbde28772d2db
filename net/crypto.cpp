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

std::array<std::uint8_t, 20> hmac_sha1(base::ByteView key, base::ByteView data) {
  std::array<std::uint8_t, 20> out;
  const int outcome =
      gnutls_hmac_fast(GNUTLS_MAC_SHA1, key.data(), key.size(), data.data(), data.size(), out.data());
  P2PD_ASSERT(outcome == 0);
  return out;
}

Sha256 sha256(base::ByteView data) {
  Sha256 out;
  const int outcome = gnutls_hash_fast(GNUTLS_DIG_SHA256, data.data(), data.size(), out.data());
  P2PD_ASSERT(outcome == 0);
  return out;
}

namespace {

void* new_handle() {
  gnutls_hash_hd_t handle = nullptr;
  P2PD_ASSERT(gnutls_hash_init(&handle, GNUTLS_DIG_SHA256) == 0);
  return handle;
}

}  // namespace

void Sha256Stream::End::operator()(void* handle) const {
  gnutls_hash_deinit(static_cast<gnutls_hash_hd_t>(handle), nullptr);
}

Sha256Stream::Sha256Stream() : handle_(new_handle()) {}
Sha256Stream::Sha256Stream(void* handle) : handle_(handle) {}

Sha256Stream Sha256Stream::copy() const {
  gnutls_hash_hd_t twin = gnutls_hash_copy(static_cast<gnutls_hash_hd_t>(handle_.get()));
  P2PD_ASSERT(twin != nullptr);
  return Sha256Stream(twin);
}

void Sha256Stream::update(base::ByteView data) {
  if (data.empty()) return;
  const int outcome = gnutls_hash(static_cast<gnutls_hash_hd_t>(handle_.get()), data.data(), data.size());
  P2PD_ASSERT(outcome == 0);
}

Sha256 Sha256Stream::digest() const {
  Sha256 out;
  const Sha256Stream end = copy();
  gnutls_hash_output(static_cast<gnutls_hash_hd_t>(end.handle_.get()), out.data());
  return out;
}

}  // namespace p2pd::net
