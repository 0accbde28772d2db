// What application streams need of the machine around them: the local end of each, and somebody who decides
// on those that the peer opens. The daemon implements these with sockets. Everything is called on the peer's
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/peer_id.hpp"
#include "net/quic_connection.hpp"
#include "proto/service_frames.hpp"

namespace p2pd::peer {

// How a stream ended, or why it never opened.
enum class StreamEnding : std::uint8_t {
  finished,   // both ends have said all they had to say, and it is there
  reset,      // the other end's program gave up, or its daemon ended it
  cancelled,  // this end's program did
  // It never opened:
  no_such_service,
  not_permitted,
  refused,
  busy,
  unsupported,  // the peer's p2pd knows no services
  timed_out,
  // The connection below it is over:
  peer_restarted,  // another has taken its place
  connection_lost,
  disconnected,  // a user, here or there, said so
  removed,       // from the address book, here or there
  stopping,      // this daemon does
};
[[nodiscard]] std::string_view to_string(StreamEnding ending);
[[nodiscard]] StreamEnding to_ending(proto::ServiceRefusal refusal);

// An open stream as its local end uses it, until StreamEnd::on_over() or reset(). Each call may end the
// stream before it returns.
class ByteStream {
 public:
  // So many bytes are taken now without more waiting than is good; when it is 0, on_room() follows.
  [[nodiscard]] virtual std::size_t room() = 0;
  virtual void write(base::ByteView data) = 0;
  virtual void finish() = 0;
  // No more is wanted: what still comes is dropped.
  virtual void stop() = 0;
  // Ends it at once, without on_over().
  virtual void reset(net::CloseCode code) = 0;
  // So many bytes of on_data() have gone on: the other end may send as many more.
  virtual void consume(std::size_t count) = 0;

 protected:
  ~ByteStream() = default;
};

// The local end. Told from inside calls into the peer, which it must not call back from these, but for the
// stream's own functions.
class StreamEnd {
 public:
  virtual ~StreamEnd() = default;
  // Only for streams opened here: the peer was asked; it has accepted. Nothing can be written in between.
  virtual void on_begun(ByteStream& stream) = 0;
  virtual void on_open() = 0;
  // Instead of the answer: the connection was replaced before it came. The peer is asked again on the next
  // one, as if this were new.
  virtual void on_again() = 0;
  virtual void on_data(base::ByteView data, bool fin) = 0;
  virtual void on_room() = 0;
  // The other end reads no more.
  virtual void on_stopped() = 0;
  // The last call; the stream is gone.
  virtual void on_over(StreamEnding ending) = 0;
};

class ServiceHost {
 public:
  using Accepted = std::shared_ptr<StreamEnd>;
  // The stream, or null where it is over already and `on_over` does not follow.
  using Answer = std::function<ByteStream*(std::variant<Accepted, proto::ServiceRefusal>)>;
  // The peer opens a stream to a service. `answer` is called once, later, on this thread.
  virtual void opened(const base::PeerId& peer, const std::string& service, Answer answer) = 0;

 protected:
  ~ServiceHost() = default;
};

}  // namespace p2pd::peer
