// One application stream of a session, of whatever kind: what QUIC tells of it. Owned by peer::Session, on
// the peer's thread; destroyed after on_ended(), or without it when the session closes.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "net/quic_connection.hpp"

namespace p2pd::peer {

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;

  // In order. The handler returns the credit by QuicConnection::consume, as far as it can hold more. False:
  // the bytes break the protocol, and the connection is to be closed.
  [[nodiscard]] virtual bool on_data(base::ByteView data, bool fin) = 0;
  // Bytes of what was written were acknowledged.
  virtual void on_acknowledged() {}
  // The other end will send no more (RESET_STREAM), or wants no more (STOP_SENDING).
  virtual void on_refused(std::uint64_t code) = 0;
  // STOP_SENDING, where that is to be told apart.
  virtual void on_stopped(std::uint64_t code) { on_refused(code); }
  virtual void on_ended() = 0;
};

}  // namespace p2pd::peer
