// P2PD_ASSERT: a check of our own logic; a false one is a bug here and aborts in every build. Never for bytes
// that came from a peer, a relay or a client: those close the session or return an error.
#pragma once

namespace p2pd::base {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define P2PD_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::p2pd::base::assertion_failed(#expression, __FILE__, __LINE__))
