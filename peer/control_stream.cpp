#include "peer/control_stream.hpp"

#include <utility>

#include "base/assert.hpp"
#include "proto/error.hpp"

namespace p2pd::peer {

void ControlStream::attach(net::StreamId id, const proto::ControlHello& hello) {
  P2PD_ASSERT(!id_);
  id_ = id;
  quic_.write(id, proto::encode(proto::ControlMessage(hello)));
  for (const proto::ControlMessage& message : std::exchange(waiting_, {})) {
    quic_.write(id, proto::encode(message));
  }
}

bool ControlStream::send(const proto::ControlMessage& message) {
  if (!id_) {
    waiting_.push_back(message);
    return true;
  }
  return quic_.write(*id_, proto::encode(message)) <= kMaxUnacknowledged;
}

base::Result<> ControlStream::receive(
    base::ByteView data, const std::function<base::Result<>(const proto::ControlMessage&)>& handle) {
  deframer_.feed(data);
  quic_.consume(*id_, data.size());
  while (true) {
    base::Result<std::optional<proto::ControlMessage>> next = deframer_.next();
    if (!next) return next.error();
    if (!*next) return {};
    const bool hello = std::holds_alternative<proto::ControlHello>(**next);
    if (hello == greeted_) {
      return proto::frame_error(proto::FrameError::bad_value, hello ? "second hello on the control stream"
                                                                    : "control stream without hello");
    }
    greeted_ = true;
    if (base::Result<> handled = handle(**next); !handled) return handled;
  }
}

}  // namespace p2pd::peer
