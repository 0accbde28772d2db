// The control stream of one connection: the first stream, opened by the dialler, written before all others.
// What is sent before the stream is there waits (credentials and candidates gathered during the handshake).
// Owned by peer::Session, on the peer's thread; it ends with the connection.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/quic_connection.hpp"
#include "proto/control_messages.hpp"

namespace p2pd::peer {

class ControlStream {
 public:
  // Both ends send this much at most before the other acknowledges; a peer that never does is closed.
  static constexpr std::size_t kMaxUnacknowledged = 256 * 1024;

  explicit ControlStream(net::QuicConnection& quic) : quic_(quic) {}

  // The stream is there; `hello` goes first, then what waited.
  void attach(net::StreamId id, const proto::ControlHello& hello);
  [[nodiscard]] bool attached() const { return id_.has_value(); }
  [[nodiscard]] bool is(net::StreamId id) const { return id_ == id; }

  // Queued where the stream is not there yet. False: the peer does not read; close the connection.
  [[nodiscard]] bool send(const proto::ControlMessage& message);
  // Calls `handle` for each whole message while it returns no error. An error ends the connection with
  // protocol_error: a broken frame, a first message that is no hello, a second hello.
  [[nodiscard]] base::Result<> receive(
      base::ByteView data, const std::function<base::Result<>(const proto::ControlMessage&)>& handle);

 private:
  net::QuicConnection& quic_;
  std::optional<net::StreamId> id_;
  std::vector<proto::ControlMessage> waiting_;
  proto::ControlDeframer deframer_;
  bool greeted_ = false;  // the peer's hello was there
};

}  // namespace p2pd::peer
