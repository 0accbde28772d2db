// The primitives used outside TLS. Any thread; a Sha256Stream belongs to one at a time.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.hpp"

namespace p2pd::net {

using Sha256 = std::array<std::uint8_t, 32>;

// RFC 2104 with SHA-256. `key` may be of any size.
[[nodiscard]] Sha256 hmac_sha256(base::ByteView key, base::ByteView data);
// RFC 2104 with SHA-1; for TURN's time-limited credentials, which know no other.
[[nodiscard]] std::array<std::uint8_t, 20> hmac_sha1(base::ByteView key, base::ByteView data);
[[nodiscard]] Sha256 sha256(base::ByteView data);

// SHA-256 (FIPS 180-4) of what comes in pieces. It can be copied in the middle, to come back to that place.
class Sha256Stream {
 public:
  Sha256Stream();
  [[nodiscard]] Sha256Stream copy() const;
  void update(base::ByteView data);
  // Of everything so far; more may follow.
  [[nodiscard]] Sha256 digest() const;

 private:
  struct End {
    void operator()(void* handle) const;
  };
  explicit Sha256Stream(void* handle);

  std::unique_ptr<void, End> handle_;
};

}  // namespace p2pd::net
