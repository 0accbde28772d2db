// The streams of one data-plane thread: makes their local ends, asks the control thread about those that
// peers open, and does what it says: connects to a target, takes a client's socket, refuses, ends. Owned by
// the DataPlane, on its thread. How it ends: stop(), then destruction.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/local_stream.hpp"
#include "daemon/service_target.hpp"
#include "peer/peer.hpp"

namespace p2pd::daemon {

// Names a stream for the life of the daemon.
enum class StreamNumber : std::uint64_t {};
[[nodiscard]] StreamNumber next_stream_number();  // any thread

// What the control thread is told, in the order in which it happens.
class StreamNews {
 public:
  // The peer wants a stream: StreamBridge::connect, accept or refuse.
  virtual void on_stream_incoming(StreamNumber stream, const base::PeerId& peer,
                                  const std::string& service) = 0;
  // One that was opened here, and is accepted now.
  virtual void on_stream_opened(StreamNumber stream) = 0;
  virtual void on_stream_over(StreamNumber stream, const LocalStream::Outcome& outcome) = 0;

 protected:
  ~StreamNews() = default;
};

class StreamBridge final : public peer::ServiceHost {
 public:
  static constexpr auto kConnectTimeout = std::chrono::seconds(10);

  // `news` is called on `control`, and outlives its last turn.
  StreamBridge(boost::asio::io_context& io, StreamNews& news, boost::asio::any_io_executor control);

  void opened(const base::PeerId& peer, const std::string& service, Answer answer) override;

  // For the peer's stream: to the target; with a listening client's socket; not at all.
  void connect(StreamNumber stream, const ServiceTarget& target, uid_t owner, const std::string& own_socket);
  void accept(StreamNumber stream, base::Descriptor socket, base::Bytes early);
  void refuse(StreamNumber stream, proto::ServiceRefusal refusal);
  // A stream to the peer's service; null: there is no such peer any more. It has to be open within `timeout`.
  void open(StreamNumber stream, peer::Peer* peer, const std::string& service, base::Duration timeout);
  // Its client's socket, once it is open.
  void begin(StreamNumber stream, base::Descriptor socket, base::Bytes early);
  void end(StreamNumber stream, peer::StreamEnding ending);
  // Ends all; nothing is left to wait for.
  void stop();

 private:
  struct Connecting;
  struct Entry {
    std::shared_ptr<LocalStream> local;
    Answer answer;                                     // of the peer's, until it is given
    peer::Peer* asked = nullptr;                       // that keeps it while it waits for a connection
    std::unique_ptr<boost::asio::steady_timer> timer;  // until it is open
    std::shared_ptr<Connecting> connecting;
  };

  void add(StreamNumber stream);
  void try_next(StreamNumber stream, const std::shared_ptr<Connecting>& connecting);
  void start_timer(StreamNumber stream, base::Duration timeout, std::function<void()> expired);
  void over(StreamNumber stream, const LocalStream::Outcome& outcome);

  LocalStream::Shared shared_;
  StreamNews& news_;
  boost::asio::any_io_executor control_;
  std::map<StreamNumber, Entry> streams_;
  bool stopped_ = false;
};

}  // namespace p2pd::daemon
