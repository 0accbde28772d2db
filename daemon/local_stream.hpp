// The local end of one stream: a socket of this machine (a client's that was upgraded or handed over, or one
// connected to a service's target) and the peer's stream, with bytes going both ways. Nothing but its
// StreamBridge and its own socket operations keep it; those may outlive the stream, hence shared_ptr. On the
// peer's data-plane thread, where all its bytes stay.
//
//   opening --begin()--> moving --both directions ended, all delivered--> over, told once
//      +------- refused, timed out ----------+-- either end gives up ------^
//
// It reads from its socket only while the stream has room, and returns credit as the socket takes bytes, so
// either end's pause reaches the other end's writer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

#include "base/bytes.hpp"
#include "base/descriptor.hpp"
#include "peer/service_port.hpp"

namespace p2pd::daemon {

class LocalStream final : public peer::StreamEnd, public std::enable_shared_from_this<LocalStream> {
 public:
  struct Outcome {
    peer::StreamEnding ending = peer::StreamEnding::finished;
    std::uint64_t sent = 0;      // bytes of the socket that went into the stream
    std::uint64_t received = 0;  // and the other way
  };
  // What all streams of a thread share.
  struct Shared {
    boost::asio::io_context& io;
    base::Bytes scratch;
  };
  using Socket = boost::asio::generic::stream_protocol::socket;

  // `opened` runs when the peer has accepted, `over` once at the end; the caller may forget it then.
  LocalStream(Shared& shared, std::function<void()> opened, std::function<void(const Outcome&)> over);

  // The socket is there, and `early` was read from it already. Without one: its client is gone.
  void begin(base::Descriptor socket, base::Bytes early);
  // The same for a stream that the peer opened and that is accepted now.
  void accept(Socket socket, base::Bytes early, const peer::ServiceHost::Answer& answer);
  // Ends it from here; the peer sees it reset.
  void end(peer::StreamEnding ending, net::CloseCode code);
  // Still to be accepted by the peer; the peer has not even been asked.
  [[nodiscard]] bool opening() const { return !opened_; }
  [[nodiscard]] bool waiting() const { return !opened_ && stream_ == nullptr; }

  void on_begun(peer::ByteStream& stream) override { stream_ = &stream; }
  void on_open() override;
  void on_again() override { stream_ = nullptr; }
  void on_data(base::ByteView data, bool fin) override;
  void on_room() override { schedule_read(); }
  void on_stopped() override;
  void on_over(peer::StreamEnding ending) override;

 private:
  void start(base::Bytes early);
  void schedule_read();
  void schedule_write();
  void read();
  void write_out();
  [[nodiscard]] bool drained() const { return pending_at_ == pending_.size(); }
  void after_write(std::size_t written);
  // The socket takes no more.
  void discard();
  // Closes the socket when nothing more passes through it.
  void settle();
  void abort();
  void tell();

  Shared& shared_;
  std::function<void()> on_opened_;
  std::function<void(const Outcome&)> told_;
  peer::ByteStream* stream_ = nullptr;
  Socket socket_;
  Outcome outcome_;
  bool opened_ = false;
  bool over_ = false;           // the stream is gone
  bool reading_ = false;        // a wait or a turn is under way
  bool writing_ = false;        // the same
  bool read_ended_ = false;     // nothing more is taken from the socket
  bool fin_ = false;            // the peer has said all
  bool write_ended_ = false;    // and the socket has it, or wants no more
  base::Bytes pending_;         // for the socket
  std::size_t pending_at_ = 0;  // what went already
};

}  // namespace p2pd::daemon
