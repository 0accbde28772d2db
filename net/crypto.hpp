// The two primitives used outside TLS. Any thread.
#pragma once

#include <array>

#include "base/bytes.hpp"

namespace p2pd::net {

using Sha256 = std::array<std::uint8_t, 32>;

// RFC 2104 with SHA-256. `key` may be of any size.
[[nodiscard]] Sha256 hmac_sha256(base::ByteView key, base::ByteView data);
[[nodiscard]] Sha256 sha256(base::ByteView data);

}  // namespace p2pd::net
